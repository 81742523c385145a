import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideNext, deliveryPolicy, fingerprint, laneResult, type Outcome } from '../../src/core/delivery.ts'

const policy = deliveryPolicy([5000, 60_000])
const now = Date.UTC(2026, 0, 1)
const hour = 3_600_000

function answer(status: number, headers: Record<string, string> = {}): Outcome {
  return { kind: 'answer', status, headers, note: null }
}

function failure(errorClass: Extract<Outcome, { kind: 'error' }>['class']): Outcome {
  return { kind: 'error', class: errorClass, text: 'ECONNRESET' }
}

/** In the middle of the jitter. */
function decide(outcome: Outcome, attempts = 1) {
  return decideNext({ attempts }, outcome, policy, now, 0.5)
}

describe('after an attempt', () => {
  test.each([200, 201, 202, 204, 206, 299])('%i means delivered', (status) => {
    expect(decide(answer(status))).toEqual({ next: 'delivered' })
  })

  test.each([300, 301, 302, 303, 307, 308, 400, 401, 404, 408, 409, 415, 418, 429, 500, 502, 503, 504, 999])(
    '%i is tried again by the schedule',
    (status) => {
      expect(decide(answer(status))).toMatchObject({ next: 'retry', dueAt: now + 5000 })
    },
  )

  test.each(['timeout', 'dns', 'connect', 'tls', 'reset', 'protocol'] as const)('%s is tried again', (errorClass) => {
    expect(decide(failure(errorClass))).toMatchObject({ next: 'retry', errorClass, error: 'ECONNRESET' })
  })

  test('each wait of the schedule is used once, then it is exhausted', () => {
    expect(decide(answer(500), 2)).toMatchObject({ next: 'retry', dueAt: now + 60_000 })
    expect(decide(answer(500), 3)).toMatchObject({ next: 'dead', reason: 'exhausted' })
  })

  test.each([
    [answer(410), 'gone'],
    [failure('blocked_address'), 'blocked_address'],
    [failure('invalid_url'), 'invalid'],
    [answer(500, { 'webhook-delivery': 'abort' }), 'rejected'],
    [answer(404, { 'webhook-delivery': 'disable' }), 'rejected'],
  ] as const)('%o is final', (outcome, reason) => {
    expect(decide(outcome)).toMatchObject({ next: 'dead', reason })
  })

  test('a 2xx that says abort stays delivered', () => {
    expect(decide(answer(200, { 'webhook-delivery': 'abort' }))).toEqual({ next: 'delivered' })
  })

  test('a redirect says that it is not followed', () => {
    expect(decide(answer(302))).toMatchObject({ errorClass: 'redirect', error: expect.stringContaining('302') })
  })

  test.each([
    ['120', 120_000],
    ['1', 5000],
    ['Thu, 01 Jan 2026 01:00:00 GMT', hour],
    ['Thursday, 01-Jan-26 01:00:00 GMT', hour],
    ['Thu Jan  1 01:00:00 2026', hour],
    ['Fri, 31 Dec 1999 23:59:59 GMT', 5000],
    ['99999999999', 24 * hour],
    ['-1', 5000],
    ['1.5', 5000],
    ['soon', 5000],
    ['', 5000],
    ['120, 60', 5000],
  ])('503 with Retry-After "%s" waits %i ms', (header, wait) => {
    expect(decide(answer(503, { 'retry-after': header }))).toMatchObject({ dueAt: now + wait })
  })

  test('Retry-After counts on 429 and 503 only', () => {
    expect(decide(answer(429, { 'retry-after': '120' }))).toMatchObject({ dueAt: now + 120_000 })
    expect(decide(answer(500, { 'retry-after': '120' }))).toMatchObject({ dueAt: now + 5000 })
  })

  test('the wait is spread by a fifth either way and no more', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        const decision = decideNext({ attempts: 1 }, answer(500), policy, now, random)
        const wait = 'dueAt' in decision ? decision.dueAt - now : Number.NaN
        expect(wait).toBeGreaterThanOrEqual(4000)
        expect(wait).toBeLessThanOrEqual(6000)
      }),
    )
    expect(decideNext({ attempts: 1 }, answer(500), policy, now, 0)).toMatchObject({ dueAt: now + 4000 })
  })
})

describe('what a lane learns of an attempt', () => {
  const learned = (outcome: Outcome) => laneResult(outcome, now - 5, now)

  test.each([
    [answer(200), { success: true, answered: true, halve: false, pauseUntil: null, disable: null }],
    [answer(500), { success: false, answered: true, halve: false }],
    [failure('connect'), { success: false, answered: false, halve: false }],
    [failure('timeout'), { success: false, answered: false, halve: true }],
    [failure('blocked_address'), { success: false, answered: null }],
    [answer(429, { 'retry-after': '7' }), { halve: true, pauseUntil: now + 7000 }],
    [answer(410), { disable: 'gone' }],
    [answer(200, { 'webhook-delivery': 'disable' }), { success: true, disable: 'asked' }],
  ] as const)('%o', (outcome, expected) => {
    expect(learned(outcome)).toMatchObject(expected)
  })

  test.each([answer(429), answer(502), answer(503), answer(504)])('%o asks for half as many at once', (outcome) => {
    expect(learned(outcome)).toMatchObject({ halve: true, answered: true })
  })
})

describe('a fingerprint', () => {
  test.each([
    [{ errorClass: 'http_status', error: 'The receiver answered 500.' }, 500, 'http_500'],
    [{ errorClass: 'connect', error: 'ECONNREFUSED 127.0.0.1:9' }, null, 'connect:ECONNREFUSED'],
    [{ errorClass: 'tls', error: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, null, 'tls:DEPTH_ZERO_SELF_SIGNED_CERT'],
    [{ errorClass: 'timeout', error: 'no answer within 15 s' }, null, 'timeout'],
  ] as const)('of %o and %s is %s', (decision, status, expected) => {
    expect(fingerprint(decision, status)).toBe(expected)
  })
})
