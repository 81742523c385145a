import { expect, test } from 'vitest'
import { checkOutcome, type Outcome } from '../../bench/check.ts'
import { percentilesOf, spreadOf } from '../../bench/figures.ts'

const DELIVERED = { deliveriesOf: () => 1 }

/** Two jobs that went well. */
function outcome(): Outcome {
  return {
    load: {
      kind: 'loaded',
      window: { from: 0, to: 1 },
      ids: ['job_a', 'job_b'],
      dueAt: Float64Array.of(0, 0),
      answeredAt: Float64Array.of(1, 1),
      failures: [],
      failed: 0,
      cpuUs: 0,
    },
    received: {
      kind: 'report',
      subjects: ['job_a', 'job_b'],
      webhookIds: ['evt_a', 'evt_b'],
      paths: ['/hooks', '/hooks'],
      at: Float64Array.of(2, 2),
      refusals: [],
      unverified: 0,
      connections: 1,
    },
    stored: [
      { id: 'job_a', status: 'completed', delivered: 1 },
      { id: 'job_b', status: 'completed', delivered: 1 },
    ],
  }
}

test('what went well passes', () => {
  expect(() => checkOutcome(outcome(), DELIVERED)).not.toThrow()
})

test('a job that was accepted must be stored', () => {
  const lost = { ...outcome(), stored: [{ id: 'job_a', status: 'completed', delivered: 1 }] }
  expect(() => checkOutcome(lost, DELIVERED)).toThrow('1 that were accepted are not stored')
})

test('a job that was stored must have been accepted', () => {
  const { stored, ...rest } = outcome()
  const surplus = { ...rest, stored: [...(stored ?? []), { id: 'job_c', status: 'completed', delivered: 1 }] }
  expect(() => checkOutcome(surplus, DELIVERED)).toThrow('1 are stored that nobody was told of')
})

test('what arrived must be recorded as delivered', () => {
  const { stored, ...rest } = outcome()
  const unrecorded = { ...rest, stored: (stored ?? []).map((row) => ({ ...row, delivered: 0 })) }
  expect(() => checkOutcome(unrecorded, DELIVERED)).toThrow('2 are not completed and delivered')
})

test('every delivery is of something that was accepted', () => {
  const strange = outcome()
  strange.received.subjects[1] = 'job_c'
  expect(() => checkOutcome(strange, DELIVERED)).toThrow('1 deliveries are of nothing that was accepted')
})

test('every request is answered 202', () => {
  const refused = outcome()
  refused.load.failed = 3
  refused.load.failures = ['503']
  expect(() => checkOutcome(refused, DELIVERED)).toThrow('3 requests were not answered 202: 503')
})

test('medians are given with their extremes', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  expect(spreadOf([4, 1])).toEqual({ median: 2.5, min: 1, max: 4 })
})

test('percentiles are values that were measured', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(percentilesOf(values)).toEqual({ p50Ms: 50, p95Ms: 95, p99Ms: 99 })
})
