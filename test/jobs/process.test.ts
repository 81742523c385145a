import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import type { EgressClient } from '../../src/egress/client.ts'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { businessEvents } from '../../src/events.ts'
import type { TenantFiles } from '../../src/files/tenant-files.ts'
import { defineHandler, z } from '../../src/handlers/define.ts'
import { Isolation } from '../../src/handlers/isolate.ts'
import { RunTimes } from '../../src/jobs/estimate.ts'
import { jobProcessor } from '../../src/jobs/process.ts'
import { createSealer } from '../../src/secrets.ts'
import { newJobRow } from '../../src/store/new-rows.ts'
import type { JobFinish, JobStore } from '../../src/store/store.ts'
import { newJob } from '../store/fixtures.ts'
import { fakeClock } from '../support/clock.ts'

const TIMEOUT_MS = 1000

test('a store that takes long to hear that a run begins uses up none of its time', async () => {
  const clock = fakeClock()
  const ended: JobFinish[] = []
  const jobs: Pick<JobStore, 'announce' | 'finish'> = {
    async announce() {
      await clock.sleep(2 * TIMEOUT_MS)
      return true
    },
    async finish(_, finish) {
      ended.push(finish)
      return null
    },
  }
  const started = { callbackEvents: 'job.started', timeoutMs: TIMEOUT_MS }
  const job: Job = { ...newJobRow(newJob(clock, started), 'ep_1'), status: 'processing', attempt: 1, claimNo: 1 }
  const run = processor(clock, jobs as JobStore)(
    job,
    new AbortController(),
    () => true,
    () => {},
  )
  for (let passed = 0; passed < 3 * TIMEOUT_MS; passed += TIMEOUT_MS) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(TIMEOUT_MS)
  }
  await run
  expect(ended).toMatchObject([{ status: 'completed', result: '"done"' }])
})

function processor(clock: ReturnType<typeof fakeClock>, jobs: JobStore) {
  const definition = defineHandler({ type: 'echo', input: z.object({}), run: () => 'done' })
  const limits = { timeoutMs: TIMEOUT_MS, maxAttempts: 1, concurrency: 1, isolation: null }
  const log = pino({ level: 'silent' })
  return jobProcessor({
    jobs,
    registry: new Map([['echo', { type: 'echo', definition, ...limits }]]),
    isolation: new Isolation(),
    engine: embeddedEngine(clock, () => {}),
    clock,
    events: businessEvents(log),
    callbacks: { publicUrl: 'http://posthorn.example', deliveryTtlMs: 1000, resultTtlMs: 1000 },
    runTimes: new RunTimes(),
    files: {} as TenantFiles,
    egress: {} as EgressClient,
    publicUrl: 'http://posthorn.example',
    log,
    sealer: createSealer(new Map([['test', Buffer.alloc(32)]])),
  })
}
