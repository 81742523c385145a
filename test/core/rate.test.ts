import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decideRate } from '../../src/core/rate.ts'

const limit = { perS: 20 }

test('a burst of a second is allowed, one more is not', () => {
  let tat: number | null = null
  for (let i = 0; i < 20; i++) {
    const decision = decideRate(limit, tat, 0)
    expect(decision).toMatchObject({ allowed: true, remaining: 19 - i })
    tat = decision.tat
  }
  expect(decideRate(limit, tat, 0)).toMatchObject({ allowed: false, remaining: 0, waitMs: 50 })
})

test('who waits as long as told is allowed', () => {
  let tat: number | null = null
  for (let i = 0; i < 20; i++) tat = decideRate(limit, tat, 0).tat
  const refused = decideRate(limit, tat, 0)
  expect(decideRate(limit, refused.tat, refused.waitMs - 1).allowed).toBe(false)
  expect(decideRate(limit, refused.tat, refused.waitMs).allowed).toBe(true)
})

test('whatever the arrivals, no more than the burst and the rate get through', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 300 }), (gaps) => {
      let now = 0
      let tat: number | null = null
      let allowed = 0
      for (const gap of gaps) {
        now += gap
        const decision = decideRate(limit, tat, now)
        tat = decision.tat
        if (decision.allowed) allowed += 1
      }
      expect(allowed).toBeLessThanOrEqual(20 + (now / 1000) * 20)
    }),
  )
})
