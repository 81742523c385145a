/** So many in a second, with a burst of as many (GCRA: one number remembers it all). */
export interface RateLimit {
  perS: number
}

export interface RateDecision {
  allowed: boolean
  /** What is to be remembered: the theoretical arrival time, in ms. */
  tat: number
  /** How many more are allowed now. */
  remaining: number
  /** Ms until there is room for one more; 0 when there is. */
  waitMs: number
}

/** Decides on one arrival at `now`. `tat` is what the last decision returned, or null for the first. */
export function decideRate({ perS }: RateLimit, tat: number | null, now: number): RateDecision {
  const intervalMs = 1000 / perS
  const burstMs = 1000
  const arrival = Math.max(tat ?? now, now)
  const next = arrival + intervalMs
  const allowed = next - now <= burstMs
  const kept = allowed ? next : arrival
  return {
    allowed,
    tat: kept,
    remaining: Math.floor((burstMs - (kept - now)) / intervalMs),
    waitMs: Math.max(0, Math.ceil(kept + intervalMs - burstMs - now)),
  }
}
