import { randomFillSync } from 'node:crypto'

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

/** Node fires a longer timer at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
const POOL_BYTES = 16_384
const ID_RANDOM_DIGITS = 16

/** The clock of a real process. */
export interface SystemClock extends Clock {
  /**
   * Moves on by so many ms, back by standing still: at once to join others' time, else at most 1 % of what has passed.
   * Who joins for the first time may go back: nothing has been done by its own time yet.
   */
  adjust(byMs: number, atOnce: boolean): void
}

/** How much faster or slower than real time the clock may run to come near to another one. */
const MAX_SLEW = 0.01

/**
 * It runs on the monotonic clock from the wall time at its creation: a jump of the host's clock neither floods retries
 * nor reaps leases.
 */
export function systemClock(): SystemClock {
  let offsetMs = Date.now() - performance.now()
  let adjustedAt = performance.now()
  let latest = 0
  let joined = false
  const now = (): number => {
    latest = Math.max(latest, Math.floor(performance.now() + offsetMs))
    return latest
  }
  let newId = idGenerator(now)
  return {
    now,
    adjust(byMs, atOnce) {
      const limit = atOnce ? Number.POSITIVE_INFINITY : MAX_SLEW * (performance.now() - adjustedAt)
      offsetMs += Math.max(-limit, Math.min(limit, byMs))
      adjustedAt = performance.now()
      if (!atOnce || joined) return
      // What was told before is nobody's time: a host that was an hour ahead would else stand still for an hour.
      joined = true
      latest = 0
      newId = idGenerator(now)
    },
    sleep,
    random: Math.random,
    newId: (prefix) => newId(prefix),
    newHex: randomHex,
  }
}

/** Not by node:timers/promises, whose error costs more than all the rest where most sleeps are cut short. */
function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const until = performance.now() + ms
    let timer: NodeJS.Timeout
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const wait = (): void => {
      timer = setTimeout(wake, Math.max(0, Math.min(until - performance.now(), MAX_TIMER_MS)))
    }
    const wake = (): void => {
      if (performance.now() < until) wait()
      else {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
    }
    signal?.addEventListener('abort', abort, { once: true })
    wait()
  })
}

export function idGenerator(now: () => number): Clock['newId'] {
  let lastMs = 0
  let counter = 0
  return (prefix) => {
    const ms = now()
    // rand_a is a counter within the millisecond (RFC 9562 §6.2, method 1); past 4,095 it borrows the next one.
    if (ms > lastMs) {
      lastMs = ms
      counter = 0
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
    }
    // The variant is 0b10 and two random bits: one digit of 8, 9, a, b.
    const random = randomHex(ID_RANDOM_DIGITS)
    const variant = (8 + (Number.parseInt(random.charAt(0), 16) & 3)).toString(16)
    const time = lastMs.toString(16).padStart(12, '0')
    return `${prefix}_${time}7${counter.toString(16).padStart(3, '0')}${variant}${random.slice(1)}`
  }
}

const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

/** From a pool: one call into the kernel serves hundreds of ids. */
function randomHex(digits: number): string {
  const bytes = Math.ceil(digits / 2)
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used).slice(0, digits)
}
