import type { ClientClock } from '../../src/client/index.ts'

/** A clock on which every pause is over at once; it remembers them. */
export interface SkippingClock extends ClientClock {
  /** The pauses so far, in ms. */
  pauses: number[]
  /** What `random` returns: 0 is no jitter, just under 1 the most. */
  chance: number
  advance(ms: number): void
}

export function skippingClock(start = Date.UTC(2026, 0, 1)): SkippingClock {
  let now = start
  const clock: SkippingClock = {
    pauses: [],
    chance: 0,
    now: () => now,
    random: () => clock.chance,
    advance: (ms) => {
      now += ms
    },
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      clock.pauses.push(ms)
      now += ms
    },
  }
  return clock
}

/** A clock on which no pause ever ends; `asleep` resolves when the first begins. */
export function stoppedClock(): ClientClock & { asleep: Promise<number> } {
  const { promise: asleep, resolve: fallAsleep } = Promise.withResolvers<number>()
  return {
    asleep,
    now: Date.now,
    random: () => 0,
    sleep: (ms, signal) =>
      new Promise((_resolve, reject) => {
        fallAsleep(ms)
        if (signal?.aborted) return reject(signal.reason)
        signal?.addEventListener('abort', () => reject(signal.reason))
      }),
  }
}
