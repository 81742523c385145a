import fc from 'fast-check'
import type { Job } from '../../../src/core/job.ts'
import type { NewCallback } from '../../../src/store/store.ts'
import { claim, claimRequest } from '../commands/queue.ts'
import { ending, newCallback, newFinish } from '../commands/runs.ts'
import { claimant, key, newJob, submission } from '../commands/submit.ts'
import { pick, which, worker } from '../world.ts'
import { type Crowd, call, type WeightedCall } from './crowd.ts'

/** Mostly the last runs, so that several callers mean the same one. */
const run = fc.oneof({ weight: 3, arbitrary: fc.nat(1) }, which)

export const jobCalls: WeightedCall[] = [
  call(
    10,
    'accept',
    fc.record({ asked: submission, key, claimant }),
    async (crowd, store, { asked, key, claimant }) => {
      const job = newJob(crowd, asked)
      const answer = await store.jobs.accept(job, key, claimant)
      crowd.accepted.push({ job, key, answer })
      if (answer.kind === 'created' && answer.job.workerId !== null) crowd.runs.push(answer.job)
    },
  ),
  call(8, 'claim', claim, async (crowd, store, wanted) => {
    crowd.runs.push(...(await store.jobs.claim(claimRequest(crowd, wanted))))
  }),
  call(6, 'finish', fc.record({ run, ending }), async (crowd, store, { run, ending }) => {
    const job = pick(crowd.runs, run)
    if (job === undefined) return
    const finish = newFinish(crowd, job, ending)
    keepEnd(crowd, await store.jobs.finish(job, finish), finish.callback)
  }),
  call(6, 'finishUnclaimed', fc.record({ job: run, ending }), async (crowd, store, { job, ending }) => {
    const read = pick(crowd.known.values(), job)
    if (read === undefined) return
    const finish = newFinish(crowd, read, ending)
    keepEnd(crowd, await store.jobs.finishUnclaimed(read.id, read.version, finish), finish.callback)
  }),
  call(4, 'progress', fc.record({ run, told: fc.boolean() }), async (crowd, store, { run, told }) => {
    const job = pick(crowd.runs, run)
    if (job === undefined) return
    const callback = told ? newCallback(crowd, job, 'job.progress') : null
    const held = await store.jobs.progress(job, { progress: 40, message: null, at: crowd.clock.now(), callback })
    if (held) crowd.progressed.push(job)
    if (held && callback !== null) crowd.called.push(callback)
  }),
  call(2, 'announce', run, async (crowd, store, run) => {
    const job = pick(crowd.runs, run)
    const callback = newCallback(crowd, job, 'job.started')
    if (job === undefined || callback === null) return
    if (await store.jobs.announce(job, callback)) crowd.called.push(callback)
  }),
  call(4, 'release', fc.record({ run, lost: fc.boolean() }), async (crowd, store, { run, lost }) => {
    const job = pick(crowd.runs, run)
    if (job === undefined) return
    if (await store.jobs.release(job, lost)) crowd.released.push({ id: job.id, claimNo: job.claimNo, lost })
  }),
  call(3, 'retry', run, async ({ runs, retried, clock }, store, run) => {
    const job = pick(runs, run)
    if (job !== undefined && (await store.jobs.retry(job, clock.now(), '{}'))) retried.push(job)
  }),
  call(2, 'suspend', run, async ({ runs, clock }, store, run) => {
    const job = pick(runs, run)
    const state = { until: clock.now(), progress: 10, message: null }
    if (job !== undefined) await store.jobs.suspend(job, state)
  }),
  call(4, 'promote', fc.constant(null), async ({ clock }, store) => {
    await store.jobs.promote(clock.now(), 100)
  }),
  call(3, 'expire', fc.record({ job: run, told: fc.boolean() }), async (crowd, store, { job, told }) => {
    const read = pick(crowd.known.values(), job)
    if (read === undefined) return
    const expired = told ? newCallback(crowd, read, 'job.expired') : null
    await store.jobs.expire(read, crowd.clock.now(), expired)
  }),
  call(2, 'postponeExpiry', run, async (crowd, store, job) => {
    const read = pick(crowd.known.values(), job)
    if (read === undefined) return
    await store.jobs.postponeExpiry(read, crowd.clock.now() + 1000, newCallback(crowd, read, 'job.expiring'))
  }),
  call(3, 'erase', run, async (crowd, store, number) => {
    const read = pick(
      [...crowd.known.values()].filter(({ finishedAt }) => finishedAt !== null),
      number,
    )
    if (read === undefined) return
    if ((await store.jobs.erase(read.tenantId, read.id)) !== null) crowd.erased.push(read.id)
  }),
  call(2, 'strike off', worker, async ({ clock }, store, worker) => {
    const seen = (await store.workers.seen()).find(({ id }) => id === worker)
    // Whoever struck it off lets it enter again: nobody else does.
    if (seen !== undefined && (await store.workers.strikeOff(seen))) await store.workers.enter(worker, clock.now())
  }),
]

export function keepEnd(crowd: Crowd, ended: Job | null, callback: NewCallback | null): void {
  if (ended === null) return
  crowd.ended.push(ended)
  if (callback !== null) crowd.called.push(callback)
}
