import { type Clock, idGenerator } from '../../src/clock.ts'

/** A clock that stands still until it is told to move. */
export interface FakeClock extends Clock {
  /** Moves on, and wakes who sleeps until then, in order. */
  advance(ms: number): void
  /** What `random` returns; 0.5 is the middle of every jitter. */
  chance: number
}

interface Sleeper {
  at: number
  wake: () => void
}

export function fakeClock(start = Date.UTC(2026, 0, 1)): FakeClock {
  let now = start
  let sleepers: Sleeper[] = []
  const clock: FakeClock = {
    chance: 0.5,
    now: () => now,
    random: () => clock.chance,
    newId: idGenerator(() => now),
    newHex: (digits) => 'a'.repeat(digits),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { at: now + ms, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((other) => other !== sleeper)
          reject(signal.reason)
        })
      }),
    advance: (ms) => {
      now += ms
      const due = sleepers.filter((sleeper) => sleeper.at <= now).sort((a, b) => a.at - b.at)
      sleepers = sleepers.filter((sleeper) => sleeper.at > now)
      for (const sleeper of due) sleeper.wake()
    },
  }
  return clock
}
