import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  afterAttempt,
  changesLane,
  charged,
  claimable,
  enabledLane,
  INITIAL_CONCURRENCY,
  type LaneResult,
  type LaneState,
  newLane,
  rateRoomAt,
} from '../../src/core/lane.ts'

const now = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

const result = (changes: Partial<LaneResult> = {}): LaneResult => ({
  success: false,
  answered: true,
  pauseUntil: null,
  halve: false,
  disable: null,
  grow: false,
  claimedAt: now,
  ...changes,
})
const success = result({ success: true })
const silence = (at: number) => result({ answered: false, claimedAt: at })

/** The lane after silent attempts at these times. */
function silentAt(times: readonly number[], lane = newLane()): LaneState {
  return times.reduce((state, at) => afterAttempt(state, silence(at), true, at).lane, lane)
}

describe('places', () => {
  test('are the concurrency less what is in flight', () => {
    expect(claimable(newLane(), 0, 100, now)).toBe(INITIAL_CONCURRENCY)
    expect(claimable(newLane(), 3, 100, now)).toBe(INITIAL_CONCURRENCY - 3)
    expect(claimable(newLane(), 9, 100, now)).toBe(0)
    expect(claimable(newLane(), 0, 2, now)).toBe(2)
  })

  test('there are none while it is paused or disabled', () => {
    expect(claimable({ ...newLane(), disabledAt: now }, 0, 9, now)).toBe(0)
    expect(claimable({ ...newLane(), pausedUntil: now + 1 }, 0, 9, now)).toBe(0)
    expect(claimable({ ...newLane(), pausedUntil: now }, 0, 9, now)).toBe(INITIAL_CONCURRENCY)
  })
})

describe('the breaker', () => {
  const opened = silentAt([0, 1, 2, 3, 4].map((s) => now + s * 1000))

  test('opens after 5 attempts in a row without an answer', () => {
    expect(silentAt([0, 1, 2, 3].map((s) => now + s * 1000)).probeAt).toBeNull()
    expect(opened.probeAt).toBe(now + 4000 + 30_000)
    expect(claimable(opened, 0, 9, now + 33_999)).toBe(0)
  })

  test('does not open when they took longer than a minute, or one was answered between', () => {
    expect(silentAt([0, 1, 2, 3, 61].map((s) => now + s * 1000)).probeAt).toBeNull()
    const answered = afterAttempt(silentAt([0, 1, 2, 3].map((s) => now + s)), result(), true, now + 9).lane
    expect(silentAt([10, 11], answered).probeAt).toBeNull()
  })

  test('lets one through when its time has come, and none beside it', () => {
    const at = opened.probeAt as number
    expect(claimable(opened, 0, 9, at)).toBe(1)
    expect(claimable(opened, 1, 9, at)).toBe(0)
  })

  test('waits twice as long after each probe that nobody answers, at most 15 minutes', () => {
    const waits: number[] = []
    let lane = opened
    for (let i = 0; i < 7; i++) {
      const at = lane.probeAt as number
      lane = afterAttempt(lane, silence(at), true, at).lane
      waits.push(((lane.probeAt as number) - at) / 1000)
    }
    expect(waits).toEqual([60, 120, 240, 480, 900, 900, 900])
  })

  test('takes what was under way when it opened for no probe', () => {
    const late = afterAttempt(opened, silence(now + 4500), true, now + 20_000).lane
    expect(late.probeAt).toBe(opened.probeAt)
  })

  test('closes with any answer, and begins from one at a time', () => {
    const at = opened.probeAt as number
    const { lane, recovered } = afterAttempt(opened, result({ claimedAt: at }), true, at)
    expect(lane).toMatchObject({ probeAt: null, probeWaitMs: null, silentAttempts: 0, concurrency: 1 })
    expect(recovered).toBe(true)
  })

  test('what was never sent tells it nothing', () => {
    const unsent = result({ answered: null })
    expect(afterAttempt(opened, unsent, true, now).lane).toEqual(opened)
    expect(changesLane(newLane(), unsent, now)).toBe(false)
  })
})

describe('a registered endpoint that fails', () => {
  /** Answered with 500 at these times. */
  const failing = (times: readonly number[], registered = true) =>
    times.reduce(
      (state, at) => {
        const change = afterAttempt(state.lane, result({ claimedAt: at }), registered, at)
        return { lane: change.lane, disabled: state.disabled ?? change.disabled }
      },
      { lane: newLane(), disabled: null as string | null },
    )
  const often = (count: number, spanMs: number) =>
    Array.from({ length: count }, (_, i) => now + (i * spanMs) / (count - 1))

  test('is disabled after more than 5 days and 10 failures without a success', () => {
    expect(failing(often(10, 5 * DAY_MS + 1))).toMatchObject({
      disabled: 'failing',
      lane: { disabledAt: now + 5 * DAY_MS + 1 },
    })
    expect(failing(often(9, 6 * DAY_MS)).disabled).toBeNull()
    expect(failing(often(50, 5 * DAY_MS)).disabled).toBeNull()
  })

  test('is not when it is implied', () => {
    expect(failing(often(20, 9 * DAY_MS), false).disabled).toBeNull()
  })

  test('is disabled at once when it says it is gone, or asks for it', () => {
    for (const disable of ['gone', 'asked'] as const) {
      expect(afterAttempt(newLane(), result({ disable }), true, now)).toMatchObject({
        disabled: disable,
        lane: { disabledAt: now },
      })
      expect(afterAttempt(newLane(), result({ disable }), false, now).disabled).toBeNull()
    }
  })

  test('begins anew when it is enabled', () => {
    const { lane } = failing(often(10, 6 * DAY_MS))
    expect(enabledLane(lane)).toMatchObject({ disabledAt: null, failures: 0, failingSince: null, concurrency: 1 })
  })
})

describe('a success', () => {
  const healthy = { ...newLane(), lastSuccessAt: now }

  test('changes nothing on a healthy lane, but once in an hour', () => {
    expect(changesLane(healthy, success, now + 3_600_000)).toBe(false)
    expect(changesLane(healthy, success, now + 3_600_001)).toBe(true)
    expect(changesLane({ ...healthy, failures: 1 }, success, now)).toBe(true)
  })

  test('lets the lane have twice as many at once when it has earned that, up to its limit', () => {
    const grow = result({ success: true, grow: true })
    expect(afterAttempt(healthy, grow, true, now).lane.concurrency).toBe(2 * INITIAL_CONCURRENCY)
    expect(afterAttempt({ ...healthy, maxConcurrency: 5 }, grow, true, now).lane.concurrency).toBe(5)
  })
})

describe('the rate', () => {
  test('is kept within 5 % however claims fall, and used to the full', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 40 }), (perS, stepMs) => {
        let lane: LaneState = { ...newLane(), concurrency: 1e9, maxConcurrency: 1e9, rateLimitPerS: perS }
        let sent = 0
        const seconds = 20
        for (let at = now; at < now + seconds * 1000; at += stepMs) {
          const taken = claimable(lane, 0, 1e9, at)
          lane = { ...lane, rateTat: charged(lane, taken, at) }
          sent += taken
        }
        expect(sent).toBeLessThanOrEqual(seconds * perS * 1.05 + 1)
        expect(sent).toBeGreaterThanOrEqual(seconds * perS * 0.95 - 1)
      }),
    )
  })

  test('says when there is room again', () => {
    const lane = { ...newLane(), rateLimitPerS: 2 }
    const full = { ...lane, rateTat: charged(lane, claimable(lane, 0, 9, now), now) }
    expect(claimable(full, 0, 9, now)).toBe(0)
    const at = rateRoomAt(full, now) as number
    expect(claimable(full, 0, 9, at)).toBe(1)
    expect(at - now).toBeLessThanOrEqual(501)
  })
})
