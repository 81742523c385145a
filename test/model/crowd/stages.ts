import { unreserved } from '../../store/fixtures.ts'
import { PLAIN } from '../commands/lanes.ts'
import { newFinish } from '../commands/runs.ts'
import { newJob } from '../commands/submit.ts'
import { TENANTS, WORKERS } from '../world.ts'
import type { Crowd } from './crowd.ts'
import { keepEnd } from './job-calls.ts'

/** How far some jobs have got: waiting, running, ended with their callbacks waiting in one lane, or being sent. */
export type Stage = 'ready' | 'running' | 'ended' | 'sending'

const COUNT = 6

/** Brings a few jobs so far, one call after the other. */
export async function workUpTo(stage: Stage, crowd: Crowd): Promise<void> {
  const [store] = crowd.stores
  const plain = { type: 'echo', priority: 0, delayMs: 0, deadlineMs: null, file: null }
  for (let i = 0; i < COUNT; i++) {
    const job = newJob(crowd, { tenant: TENANTS[0], origin: 0, ...plain })
    crowd.accepted.push({ job, key: null, answer: await store.jobs.accept(job, null) })
  }
  if (stage === 'ready') return
  const [workerId] = WORKERS
  const claim = {
    workerId,
    now: crowd.clock.now(),
    limit: COUNT,
    types: new Map([['echo', COUNT]]),
    afterTenant: null,
    ...unreserved,
  }
  const runs = await store.jobs.claim(claim)
  crowd.runs.push(...runs)
  if (stage === 'running') return
  for (const run of runs) {
    const finish = newFinish(crowd, run, { status: 'completed', silent: false, ttlMs: 60_000 })
    keepEnd(crowd, await store.jobs.finish(run, finish), finish.callback)
  }
  if (stage === 'ended') return
  const laneId = runs[0]?.endpointId ?? ''
  const sending = await store.deliveries.claim({
    laneId,
    workerId,
    now: crowd.clock.now(),
    limit: COUNT,
    ...PLAIN,
  })
  crowd.laneClaims.push(sending)
  crowd.sent.push(...sending.deliveries)
}
