import { describe, expect, test } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { decideRun } from '../../src/core/job.ts'
import { acceptedJson, jsonWith } from '../../src/core/job-view.ts'

const now = Date.UTC(2026, 0, 1)
const job = { attempt: 1, maxAttempts: 3, deadlineAt: null }
const mayRetry = { retryable: true }

describe('after a failed run', () => {
  test.each([
    [1, 1000],
    [2, 5000],
    [3, 30_000],
    [4, 120_000],
    [5, 600_000],
    [9, 600_000],
  ])('number %i the next one waits %i ms', (attempt, wait) => {
    const decision = decideRun({ ...job, attempt, maxAttempts: 99 }, mayRetry, now, 0.5)
    expect(decision).toEqual({ next: 'retry', dueAt: now + wait })
  })

  test('the job fails when it was the last one', () => {
    expect(decideRun({ ...job, attempt: 3 }, mayRetry, now, 0.5)).toEqual({ next: 'fail' })
  })

  test('the job fails at once when no run can help', () => {
    expect(decideRun(job, { retryable: false }, now, 0.5)).toEqual({ next: 'fail' })
  })

  test('the job fails when the next run would begin past its deadline', () => {
    expect(decideRun({ ...job, deadlineAt: now + 1000 }, mayRetry, now, 0.5)).toEqual({ next: 'fail' })
    expect(decideRun({ ...job, deadlineAt: now + 1001 }, mayRetry, now, 0.5)).toMatchObject({ next: 'retry' })
  })
})

describe('stored JSON', () => {
  test('goes into an answer as it is', () => {
    const raw = '{"big":9007199254740993,"twice":1,"twice":2}'
    expect(jsonWith({ a: 1 }, { raw, none: null })).toBe(`{"a":1,"raw":${raw}}`)
    expect(jsonWith({}, { raw: '1' })).toBe('{"raw":1}')
    expect(jsonWith({ a: 1 }, {})).toBe('{"a":1}')
  })

  test('of a 202 does not change while the job does', () => {
    const fresh = {
      id: 'job_1',
      type: 'echo',
      status: 'pending',
      endpointId: null,
      metadata: null,
      createdAt: now,
      runAt: now,
    } as Job
    const later: Job = { ...fresh, status: 'failed', attempt: 3, dueAt: now + 5, version: 9, progress: 50 }
    expect(acceptedJson(later, 'http://p')).toBe(acceptedJson(fresh, 'http://p'))
  })
})
