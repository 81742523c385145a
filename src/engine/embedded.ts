import { EventEmitter } from 'node:events'
import type { Clock } from '../clock.ts'
import type { Engine } from './engine.ts'

/** A task that hangs this much past its turn is called late. */
const LATE_MS = 10_000

/** The engine of a single process: bells are function calls. */
export function embeddedEngine(clock: Clock, onError: (task: string, error: unknown) => void): Engine {
  const bells = new EventEmitter()
  const stop = new AbortController()
  const loops: Promise<void>[] = []
  const nextTurns = new Map<string, number>()

  async function repeat(ms: number, name: string, task: () => Promise<void>): Promise<void> {
    while (!stop.signal.aborted) {
      nextTurns.set(name, clock.now() + ms)
      await task().catch((error: unknown) => onError(name, error))
      await clock.sleep(ms, stop.signal).catch(() => {})
    }
  }

  return {
    wake: (channel, names) => {
      bells.emit(channel, names)
    },
    onWake: (channel, listener) => {
      bells.on(channel, listener)
    },
    every: (ms, name, task) => {
      loops.push(repeat(ms, name, task))
    },
    lateTasks: () => [...nextTurns].filter(([, at]) => clock.now() > at + LATE_MS).map(([name]) => name),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      bells.removeAllListeners()
      await Promise.all(loops)
    },
  }
}
