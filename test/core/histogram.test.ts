import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BUCKET_RATIO, BUCKETS, bucketOf, percentile, upperBound } from '../../src/core/histogram.ts'

const MAX_MS = 300_000
/** As likely short as long. */
const duration = fc.double({ min: 0, max: Math.log(2 * MAX_MS), noNaN: true }).map((log) => Math.exp(log) - 1)
const share = fc.double({ min: 0.001, max: 1, noNaN: true })

function counted(durations: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const ms of durations) counts.set(bucketOf(ms), (counts.get(bucketOf(ms)) ?? 0) + 1)
  return counts
}

/** Nearest rank. */
function exact(durations: readonly number[], p: number): number {
  const sorted = [...durations].sort((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil(p * sorted.length - 1e-9)) - 1] as number
}

test('a percentile is within the stated error of the exact one', () => {
  fc.assert(
    fc.property(fc.array(duration, { minLength: 1, maxLength: 200 }), share, (durations, p) => {
      const estimate = percentile(counted(durations), p) as number
      const truth = Math.min(exact(durations, p), MAX_MS)
      if (truth <= 1) expect(Math.abs(estimate - truth)).toBeLessThan(1)
      else {
        expect(estimate / truth).toBeLessThan(BUCKET_RATIO)
        expect(truth / estimate).toBeLessThan(BUCKET_RATIO)
      }
    }),
    { numRuns: 1000 },
  )
})

test('a higher percentile is never less', () => {
  fc.assert(
    fc.property(fc.array(duration, { minLength: 1 }), share, share, (durations, p, q) => {
      const counts = counted(durations)
      const [low, high] = [percentile(counts, Math.min(p, q)), percentile(counts, Math.max(p, q))]
      expect(low).toBeLessThanOrEqual(high as number)
    }),
  )
})

test('it is the same in whatever order and parts the durations were counted', () => {
  fc.assert(
    fc.property(fc.array(duration, { minLength: 1 }), share, (durations, p) => {
      const reversed = counted([...durations].reverse())
      expect(percentile(reversed, p)).toBe(percentile(counted(durations), p))
    }),
  )
})

test('a longer duration is never in an earlier bucket, and each is within the bounds of its own', () => {
  fc.assert(
    fc.property(duration, duration, (a, b) => {
      expect(bucketOf(Math.min(a, b))).toBeLessThanOrEqual(bucketOf(Math.max(a, b)))
      const bucket = bucketOf(a)
      if (a <= MAX_MS) expect(a).toBeLessThanOrEqual(upperBound(bucket))
      if (bucket > 0) expect(a).toBeGreaterThan(upperBound(bucket - 1))
    }),
  )
})

test('the buckets reach from 1 ms to 5 minutes, and what is longer is in the last', () => {
  expect([bucketOf(0), bucketOf(1), upperBound(0)]).toEqual([0, 0, 1])
  expect([bucketOf(MAX_MS), bucketOf(3 * MAX_MS), upperBound(BUCKETS - 1)]).toEqual([BUCKETS - 1, BUCKETS - 1, MAX_MS])
  expect(upperBound(BUCKETS - 2)).toBeLessThan(MAX_MS)
})

test('of nothing there is no percentile', () => {
  expect(percentile(new Map(), 0.5)).toBeNull()
})

test('the middle of 1 to 1,000 ms', () => {
  const counts = counted(Array.from({ length: 1000 }, (_, i) => i + 1))
  // 500 lies in 365…493…665: interpolated, it is much nearer than the bound says.
  expect(percentile(counts, 0.5)).toBeCloseTo(500, -1)
  expect(percentile(counts, 0.95)).toBeGreaterThan(900)
})
