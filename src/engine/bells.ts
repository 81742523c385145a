import { EventEmitter } from 'node:events'
import type { Wakes } from './engine.ts'

/** Who waits in this process, and for what. */
export interface Bells extends Disposable {
  ring<Channel extends keyof Wakes>(channel: Channel, names: Wakes[Channel]): void
  on<Channel extends keyof Wakes>(channel: Channel, listener: (names: Wakes[Channel]) => void): void
}

export function bells(): Bells {
  const emitter = new EventEmitter()
  return {
    ring: (channel, names) => {
      emitter.emit(channel, names)
    },
    on: (channel, listener) => {
      emitter.on(channel, listener)
    },
    [Symbol.dispose]: () => {
      emitter.removeAllListeners()
    },
  }
}
