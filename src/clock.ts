import { randomBytes, randomFillSync } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/** Time, chance and identity. Injected everywhere, so that tests decide all three. */
export interface Clock {
  /** Milliseconds since 1970, never going backwards while the process lives. */
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
  /** A new id: the prefix, `_`, and a UUIDv7 (RFC 9562 §5.7) without dashes. Sorts by creation within a process. */
  newId(prefix: IdPrefix): string
  /** That many random hex digits. */
  newHex(digits: number): string
}

export type IdPrefix = 'job' | 'evt' | 'dlv' | 'ep' | 'dead' | 'rpl' | 'file' | 'ten' | 'key' | 'wrk' | 'aud' | 'req'

const POOL_BYTES = 4096
const ID_RANDOM_BYTES = 8

/**
 * The clock of a real process. It runs on the monotonic clock from the wall time at its creation:
 * a jump of the host's clock neither floods retries nor reaps leases.
 */
export function systemClock(): Clock {
  const offsetMs = Date.now() - performance.now()
  const now = (): number => Math.floor(performance.now() + offsetMs)
  return {
    now,
    sleep: async (ms, signal) => {
      await delay(ms, undefined, signal ? { signal } : {})
    },
    random: Math.random,
    newId: idGenerator(now),
    newHex: randomHex,
  }
}

/** Random bytes come from a pool: one call into the kernel serves 512 ids. */
export function idGenerator(now: () => number): Clock['newId'] {
  const pool = Buffer.alloc(POOL_BYTES)
  let used = POOL_BYTES
  let lastMs = 0
  let counter = 0
  return (prefix) => {
    if (used + ID_RANDOM_BYTES > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const ms = now()
    // rand_a is a counter within the millisecond (RFC 9562 §6.2, method 1); past 4,095 it borrows the next one.
    if (ms > lastMs) {
      lastMs = ms
      counter = 0
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
    }
    pool[used] = ((pool[used] as number) & 0x3f) | 0x80
    const random = pool.toString('hex', used, used + ID_RANDOM_BYTES)
    used += ID_RANDOM_BYTES
    return `${prefix}_${lastMs.toString(16).padStart(12, '0')}7${counter.toString(16).padStart(3, '0')}${random}`
  }
}

function randomHex(digits: number): string {
  return randomBytes(Math.ceil(digits / 2))
    .toString('hex')
    .slice(0, digits)
}
