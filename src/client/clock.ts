/** Time and chance, so that tests decide both. */
export interface ClientClock {
  /** Milliseconds since 1970. */
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
}

/** What a timer of JavaScript takes at most, about 24 days. A longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

export const systemClock: ClientClock = {
  now: Date.now,
  random: Math.random,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const end = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', end)
          resolve()
        },
        Math.min(ms, MAX_TIMER_MS),
      )
      signal?.addEventListener('abort', end, { once: true })
    }),
}

/** A signal that is aborted with `signal`, or after `ms` with what `reason` makes. `end` stops the timer. */
export interface TimeLimit {
  signal: AbortSignal
  /** True when it was the time that ran out. */
  passed(): boolean
  end(): void
}

/** Not `AbortSignal.timeout`: its timer cannot be stopped, and some runtimes collect it before it fires. */
export function timeLimit(ms: number, signal: AbortSignal | undefined, reason: () => Error): TimeLimit {
  const limit = new AbortController()
  const timer = ms > MAX_TIMER_MS ? undefined : setTimeout(() => limit.abort(reason()), ms)
  return {
    signal: signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]),
    passed: () => limit.signal.aborted,
    end: () => clearTimeout(timer),
  }
}
