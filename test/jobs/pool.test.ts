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

/** Of the event loop, and what it has brought about. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A pool whose store and handlers do what the test says. @param putBack When the store has put back what is unknown */
function subject(concurrency: number, putBack: Promise<void> = Promise.resolve()) {
  const clock = fakeClock()
  const engine = embeddedEngine(clock, () => {})
  const runs: { job: Job; end: () => void }[] = []
  const claims: { request: JobClaimRequest; answer: (jobs: Job[]) => void }[] = []
  const released: string[] = []
  const settled: (readonly string[])[] = []
  const jobs: Pick<JobStore, 'claim' | 'release' | 'releaseUnknown'> = {
    claim: (request) => new Promise((answer) => claims.push({ request, answer })),
    release: async ({ id }) => released.push(id) > 0,
    async releaseUnknown(_, known) {
      settled.push(known)
      await putBack
      return 0
    },
  }
  const definition = defineHandler({ type: 'echo', input: z.object({}), run: () => 'done' })
  const pool = new JobPool({
    jobs: jobs as JobStore,
    engine,
    registry: new Map([
      ['echo', { type: 'echo', definition, timeoutMs: 1, maxAttempts: 1, concurrency: 9, isolation: null }],
    ]),
    process: (job, _abort, _isOurs, onEnded) =>
      new Promise((resolve) => {
        const end = (): void => {
          onEnded()
          resolve()
        }
        runs.push({ job, end })
      }),
    clock,
    events: businessEvents(pino({ level: 'silent' })),
    lease: { workerId: WORKER, holds: () => true, onLost: () => {}, reap: async () => {} },
    reserve: new Reserve(),
    concurrency,
  })
  const claimed = (): Job => newJobRow(newJob(clock), null, WORKER)
  return {
    clock,
    engine,
    pool,
    runs,
    claims,
    released,
    settled,
    answer: (index: number, count: number) => claims[index]?.answer(Array.from({ length: count }, claimed)),
    async end(index: number) {
      runs[index]?.end()
      await turn()
    },
    /** Stores a job for the worker it is given, when `stored` resolves. */
    handOver(stored: Promise<void> = Promise.resolve()) {
      const job = newJob(clock)
      const given: (string | null)[] = []
      const answer = pool.handOver(job, async (workerId) => {
        given.push(workerId)
        await stored
        return { kind: 'created', job: newJobRow(job, null, workerId) }
      })
      return { id: job.id, given: given[0], answer }
    },
  }
}

test('a run that ends while others are being claimed leaves its place to the next at once, not to the next look', async () => {
  const { engine, pool, claims, answer, end } = subject(2)
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

test('a job for which there is a place begins when it is stored, after whoever submitted it was answered', async () => {
  const { engine, pool, runs, claims, handOver } = subject(2)
  expect(handOver().given).toBeNull()
  pool.start()
  const { id, given, answer } = handOver()
  expect(given).toBe(WORKER)
  await answer
  expect(runs).toEqual([])
  await turn()
  expect(runs.map(({ job }) => job.id)).toEqual([id])
  expect(claims).toEqual([])
  await engine[Symbol.asyncDispose]()
})

test('without a place for it, or while others wait, a job goes through the queue', async () => {
  const { engine, pool, runs, claims, answer, end, handOver } = subject(2)
  pool.start()
  expect([handOver().given, handOver().given, handOver().given]).toEqual([WORKER, WORKER, null])
  await turn()
  engine.wake('jobs', ['echo'])
  await end(0)
  answer(0, 1)
  await turn()
  // It had one place and took one job: there may be more of them.
  await end(1)
  expect(runs).toHaveLength(3)
  expect(handOver().given).toBeNull()
  answer(1, 0)
  await turn()
  expect(handOver().given).toBe(WORKER)
  expect(claims.length).toBeGreaterThan(1)
  await engine[Symbol.asyncDispose]()
})

test('a job whose place went to a claim that was under way is put back, and begun by nobody', async () => {
  const { engine, pool, runs, released, answer, handOver } = subject(2)
  pool.start()
  engine.wake('jobs', ['echo'])
  const { id, given } = handOver()
  expect(given).toBe(WORKER)
  answer(0, 2)
  await turn()
  expect(released).toEqual([id])
  expect(runs.map(({ job }) => job.id)).not.toContain(id)
  await engine[Symbol.asyncDispose]()
})

test('a job that may have been stored, though the answer was lost, is put back; those still being stored are not', async () => {
  const { engine, pool, runs, settled, claims, handOver } = subject(9)
  pool.start()
  const waiting = Promise.withResolvers<void>()
  const other = handOver(waiting.promise)
  const { answer, id } = handOver(Promise.reject(new Error('the answer was lost')))
  await expect(answer).rejects.toThrow('the answer was lost')
  await turn()
  expect(handOver().given).toBeNull()
  engine.wake('jobs', ['echo'])
  await turn()
  expect(settled).toEqual([[other.id]])
  expect(claims).toHaveLength(1)
  waiting.resolve()
  await turn()
  expect(runs.map(({ job }) => job.id)).toEqual([other.id])
  expect(runs.map(({ job }) => job.id)).not.toContain(id)
  await engine[Symbol.asyncDispose]()
})

test('a job whose answer is lost while others are being put back is put back after them', async () => {
  const putBack = Promise.withResolvers<void>()
  const { engine, pool, settled, answer, handOver } = subject(9, putBack.promise)
  pool.start()
  const storing = Promise.withResolvers<void>()
  const late = handOver(storing.promise)
  handOver(Promise.reject(new Error('the answer was lost'))).answer.catch(() => {})
  await turn()
  engine.wake('jobs', ['echo'])
  await turn()
  storing.reject(new Error('the answer was lost'))
  await expect(late.answer).rejects.toThrow('the answer was lost')
  putBack.resolve()
  await turn()
  expect(settled).toEqual([[late.id]])
  engine.wake('jobs', ['echo'])
  answer(0, 0)
  await turn()
  expect(settled).toEqual([[late.id], []])
  await engine[Symbol.asyncDispose]()
})

test('now and then it puts back what the store says is its own and it does not know of', async () => {
  const { engine, clock, pool, settled, answer, handOver } = subject(9)
  pool.start()
  await engine.start()
  for (const claim of [0, 1]) {
    await turn()
    answer(claim, 0)
  }
  await turn()
  const { id } = handOver()
  const before = settled.length
  clock.advance(60_000)
  await turn()
  answer(2, 0)
  await turn()
  expect(settled.slice(before)).toEqual([[id]])
  answer(3, 0)
  await engine[Symbol.asyncDispose]()
})

test('a process that stops waits for the jobs that are being stored for it, and takes no more', async () => {
  const { engine, clock, pool, runs, handOver, end } = subject(9)
  pool.start()
  const storing = Promise.withResolvers<void>()
  handOver(storing.promise)
  let stopped = false
  const stop = pool.stop(1000).then(() => {
    stopped = true
  })
  expect(handOver().given).toBeNull()
  await turn()
  clock.advance(2000)
  await turn()
  expect(stopped).toBe(false)
  storing.resolve()
  await turn()
  expect(runs).toHaveLength(1)
  await end(0)
  await stop
  await engine[Symbol.asyncDispose]()
})
