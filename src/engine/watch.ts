import type { Clock } from '../clock.ts'
import type { Engine, Wakes } from './engine.ts'

/** Watches one name from the moment it is made, so that what happens between two looks is not missed. */
export interface Watch extends Disposable {
  /** Resolves when the bell rang since the last call, after `ms`, or when the signal is aborted. Never rejects. */
  next(ms: number, signal: AbortSignal): Promise<void>
}

export interface Watchers {
  watch(name: string): Watch
  /** Aborted when the process stops: everyone is to be let go with what there is. */
  stopping: AbortSignal
  release(): Promise<void>
}

/**
 * A wake-up from another process can be lost: who waits looks for itself this often, and learns by it that the database
 * is gone, in less than the 5 s within which every call is to be answered then.
 */
export const LOOK_AGAIN_MS = 4000

/** Who watches what on a channel, in this process. */
export function watchers(engine: Engine, channel: keyof Wakes, clock: Clock): Watchers {
  const bells = new Map<string, Set<() => void>>()
  const stopping = new AbortController()
  engine.onWake(channel, (names) => {
    const rung = names.length === 0 ? [...bells.keys()] : names
    for (const name of rung) for (const ring of bells.get(name) ?? []) ring()
  })

  function watch(name: string): Watch {
    let rung = false
    let wake: AbortController | null = null
    const ring = (): void => {
      rung = true
      wake?.abort()
    }
    const bell = bells.get(name) ?? new Set()
    bells.set(name, bell.add(ring))
    return {
      async next(ms, signal) {
        if (!rung && ms > 0) {
          wake = new AbortController()
          await clock.sleep(ms, AbortSignal.any([wake.signal, signal, stopping.signal])).catch(() => {})
        }
        rung = false
      },
      [Symbol.dispose]: () => {
        bell.delete(ring)
        if (bell.size === 0) bells.delete(name)
      },
    }
  }

  return { watch, stopping: stopping.signal, release: async () => stopping.abort() }
}
