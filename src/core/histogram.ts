/**
 * Durations are counted in buckets with bounds from 1 ms to 5 minutes, each longer than the one before by the same
 * factor; what is longer still is in the last. Counts are stored by bucket: other bounds would falsify the stored ones.
 */
export const BUCKETS = 43
const MAX_MS = 300_000
/** About 1.35. */
export const BUCKET_RATIO = MAX_MS ** (1 / (BUCKETS - 1))

/** The bucket of a duration. The first holds all up to 1 ms, each other one what is above the bound of the one before. */
export function bucketOf(ms: number): number {
  // Counted up, not by a logarithm: on a bound that may round to either side.
  let bucket = 0
  while (bucket < BUCKETS - 1 && ms > upperBound(bucket)) bucket += 1
  return bucket
}

/** The longest duration of a bucket, in ms. */
export function upperBound(bucket: number): number {
  return MAX_MS ** (bucket / (BUCKETS - 1))
}

/**
 * The duration that a share `p` (above 0, at most 1) of what was counted does not exceed: the nearest rank, interpolated
 * within its bucket. The exact one is in the same bucket, so this one is off by less than BUCKET_RATIO in either
 * direction, by less than 1 ms below 1 ms; above 5 minutes it says 5 minutes. Null when nothing was counted.
 * @param counts By bucket
 */
export function percentile(counts: ReadonlyMap<number, number>, p: number): number | null {
  const total = counts.values().reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  // The subtraction is for products like 0.95 × 20, which come out a little above 19.
  const rank = Math.max(1, Math.ceil(p * total - 1e-9))
  let below = 0
  for (const bucket of [...counts.keys()].sort((a, b) => a - b)) {
    const count = counts.get(bucket) as number
    if (below + count >= rank) return within(bucket, (rank - below - 0.5) / count)
    below += count
  }
  return MAX_MS
}

function within(bucket: number, share: number): number {
  const lower = bucket === 0 ? 0 : upperBound(bucket - 1)
  return lower + share * (upperBound(bucket) - lower)
}
