import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { businessEvents } from '../../src/events.ts'
import { defineHandler, z } from '../../src/handlers/define.ts'
import { JobPool } from '../../src/jobs/pool.ts'
import { Reserve } from '../../src/jobs/reserve.ts'
import { newJobRow } from '../../src/store/new-rows.ts'
import type { JobClaimRequest, JobStore } from '../../src/store/store.ts'
import { newJob, WORKER } from '../store/fixtures.ts'
import { fakeClock } from '../support/clock.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a run that ends while others are being claimed leaves its place to the next at once, not to the next look', async () => {
  const clock = fakeClock()
  const engine = embeddedEngine(clock, () => {})
  const runs: (() => void)[] = []
  const claims: { request: JobClaimRequest; answer: (jobs: Job[]) => void }[] = []
  const jobs: Pick<JobStore, 'claim'> = {
    claim: (request) => new Promise((answer) => claims.push({ request, answer })),
  }
  const definition = defineHandler({ type: 'echo', input: z.object({}), run: () => 'done' })
  const pool = new JobPool({
    jobs: jobs as JobStore,
    engine,
    registry: new Map([
      ['echo', { type: 'echo', definition, timeoutMs: 1, maxAttempts: 1, concurrency: 9, isolation: null }],
    ]),
    process: () => new Promise((resolve) => runs.push(resolve)),
    clock,
    events: businessEvents(pino({ level: 'silent' })),
    lease: { workerId: WORKER, holds: () => true, onLost: () => {}, reap: async () => {} },
    reserve: new Reserve(),
    concurrency: 2,
  })
  const answer = (index: number, count: number) =>
    claims[index]?.answer(
      Array.from({ length: count }, () => ({ ...newJobRow(newJob(clock), null), workerId: WORKER })),
    )
  const end = async (index: number) => {
    runs[index]?.()
    await turn()
  }

  pool.start()
  engine.wake('jobs', ['echo'])
  answer(0, 2)
  await turn()
  await end(0)
  expect(claims.map(({ request }) => request.limit)).toEqual([2, 1])
  await end(1)
  answer(1, 1)
  await turn()

  expect(claims.map(({ request }) => request.limit)).toEqual([2, 1, 1])
  await engine[Symbol.asyncDispose]()
})
