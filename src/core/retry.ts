/** How often and when something is tried again. */
export interface RetryPolicy {
  /** Waits after the 1st, 2nd … failed attempt, in ms. One more attempt than waits. */
  waitsMs: readonly number[]
  /** Each wait is spread by ± this share of itself. */
  jitter: number
}

/** Waits between the runs of a handler that failed (CONTRACT §3, `max_attempts`). The last one repeats. */
export const jobRetryPolicy: RetryPolicy = { waitsMs: [1_000, 5_000, 30_000, 120_000, 600_000], jitter: 0.2 }

/** The share of itself by which a delivery's wait is spread (CONTRACT §1, POSTHORN_RETRY_SCHEDULE). */
export const DELIVERY_JITTER = 0.2

/** The wait after the `failed`-th failed attempt (from 1), or null when the schedule is used up. */
export function waitAfter(policy: RetryPolicy, failed: number, random: number): number | null {
  const wait = policy.waitsMs[failed - 1]
  return wait === undefined ? null : jittered(wait, policy.jitter, random)
}

/** Spreads `ms` evenly over `ms ± share`, so that what failed together does not return together. */
export function jittered(ms: number, share: number, random: number): number {
  return Math.round(ms * (1 + share * (2 * random - 1)))
}

/** The longest the whole schedule can take, in ms. */
export function scheduleSpan(policy: RetryPolicy): number {
  return Math.ceil(policy.waitsMs.reduce((sum, wait) => sum + wait, 0) * (1 + policy.jitter))
}

const MAX_RETRY_AFTER_MS = 24 * 3_600_000
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const RFC850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/**
 * The wait a `Retry-After` header asks for in ms, at most 24 h, or null when it says nothing that counts.
 * RFC 9110 §10.2.3: whole seconds, or a date in one of three forms. The form is checked before parsing,
 * because `Date.parse` takes "-1" and "1.5" for dates.
 */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  const value = header?.trim() ?? ''
  if (/^\d+$/.test(value)) return Math.min(Number(value) * 1000, MAX_RETRY_AFTER_MS)
  const at = httpDate(value)
  return at === null ? null : Math.min(Math.max(0, at - now), MAX_RETRY_AFTER_MS)
}

function httpDate(value: string): number | null {
  let text: string
  if (IMF_FIXDATE.test(value) || RFC850_DATE.test(value)) text = value
  else if (ASCTIME_DATE.test(value)) text = `${value} GMT`
  else return null
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : at
}
