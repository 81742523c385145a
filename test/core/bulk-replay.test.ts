import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chargedTat, replayEta, replayRemaining, replayRoom, startingTat } from '../../src/core/bulk-replay.ts'

const START = Date.UTC(2026, 0, 1)

/** Takes all there is room for at each of these times; returns how many in all. */
function takenAt(ratePerS: number, times: readonly number[]): number[] {
  let rateTat: number | null = startingTat(START)
  return times.map((now) => {
    const room = replayRoom({ ratePerS, rateTat }, now)
    rateTat = chargedTat({ ratePerS, rateTat }, room, now)
    return room
  })
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0)
const every = (ms: number, forMs: number) => Array.from({ length: forMs / ms + 1 }, (_, i) => START + i * ms)

describe('the rate of a bulk replay', () => {
  test.each([0.5, 3, 500, 10_000])('%d a second is what comes of looking every 50 ms', (ratePerS) => {
    const count = sum(takenAt(ratePerS, every(50, 60_000)))
    expect(Math.abs(count - ratePerS * 60)).toBeLessThanOrEqual(1 + ratePerS * 0.05)
  })

  test('begins with one, not with a burst', () => {
    expect(takenAt(500, [START])).toEqual([1])
  })

  test('a step that comes late loses nothing', () => {
    const late = every(50, 10_000)
      .map((time, i) => time + (i % 70 === 33 ? 900 : 0))
      .sort((a, b) => a - b)
    expect(Math.abs(sum(takenAt(500, late)) - 5000)).toBeLessThan(80)
  })

  test('is not made up for after a long stop', () => {
    const [, after = 0] = takenAt(500, [START, START + 60_000])
    expect(after).toBeLessThanOrEqual(500 + 1)
  })

  test('is never passed by more than its burst, whenever it is looked at', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 50 })
    const rate = fc.double({ min: 0.01, max: 10_000, noNaN: true })
    fc.assert(
      fc.property(rate, gaps, (ratePerS, waits) => {
        let now = START
        const times = waits.map((wait) => (now += wait))
        const taken = takenAt(ratePerS, times)
        for (const [i, time] of times.entries()) {
          const since = sum(taken.slice(0, i + 1))
          expect(since).toBeLessThanOrEqual(((time - START) * ratePerS) / 1000 + 1 + 1e-3)
        }
      }),
    )
  })

  test('without a rate there is always room', () => {
    expect(replayRoom({ ratePerS: null, rateTat: null }, START)).toBe(Number.POSITIVE_INFINITY)
    expect(chargedTat({ ratePerS: null, rateTat: null }, 5, START)).toBeNull()
  })
})

test('what remains follows from the counts, and is nothing at the end', () => {
  const counts = { total: 10, done: 4, failed: 1 }
  expect(replayRemaining({ ...counts, status: 'paused' })).toBe(5)
  expect(replayRemaining({ ...counts, status: 'done' })).toBe(0)
  expect(replayRemaining({ total: 1, done: 2, failed: 0, status: 'running' })).toBe(0)
})

test('it is foreseen when the last one goes, while it runs', () => {
  expect(replayEta(1000, 'running', 500, START)).toBe(START + 2000)
  expect(replayEta(1000, 'paused', 500, START)).toBeNull()
})
