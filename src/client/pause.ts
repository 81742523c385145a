/** How fast waits grow: doubled from `firstMs`, at most `longestMs`. */
export interface Backoff {
  firstMs: number
  longestMs: number
}

/** Spread upwards by this share, so that clients that were refused together do not come back together. */
const JITTER = 0.25

/**
 * The wait in ms before the next request.
 * @param times how often it was in vain, from 1
 * @param askedMs what `Retry-After` said: never less than that
 */
export function pauseMs(backoff: Backoff, times: number, askedMs: number | null, random: number): number {
  const grown = times < 1 ? 0 : Math.min(backoff.firstMs * 2 ** (times - 1), backoff.longestMs)
  return Math.ceil(Math.max(grown, askedMs ?? 0) * (1 + JITTER * random))
}
