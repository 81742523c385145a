import { expect } from 'vitest'
import { isFinished, type Job } from '../../../src/core/job.ts'
import { TENANTS } from '../world.ts'
import type { Crowd } from './crowd.ts'

const all = { limit: 10_000, before: null }

export async function allJobs({ stores: [store] }: Crowd): Promise<Job[]> {
  const lists = await Promise.all(TENANTS.map((tenant) => store.jobs.list(tenant, {}, all)))
  return lists.flat()
}

/** What must hold of jobs, in whatever order the calls came through. */
export async function expectJobsSound(crowd: Crowd): Promise<void> {
  const jobs = await allJobs(crowd)
  const [store] = crowd.stores
  expect(repeatedOf(crowd.runs.map(({ id, claimNo }) => `${id} claimed as ${claimNo}`))).toEqual([])
  expect(repeatedOf(crowd.ended.map(({ id }) => `${id} ended`))).toEqual([])
  for (const job of jobs) {
    expectConsistent(job)
    expectCounted(job, crowd)
    const progress = await store.jobs.progressSince(job.id, 0)
    const told = job.expiredAt === null ? crowd.progressed.filter(({ id }) => id === job.id).length : 0
    expect(progress.map(({ seq }) => seq)).toEqual(Array.from({ length: told }, (_, i) => i + 2))
  }
  const ended = crowd.ended.map(({ id }) => id).filter((id) => !crowd.erased.includes(id))
  expect(
    jobs
      .filter(({ status }) => isFinished(status))
      .map(({ id }) => id)
      .sort(),
  ).toEqual(ended.sort())
  expect(await store.jobs.countReady(1000)).toBe(jobs.filter(({ queue }) => queue === 'ready').length)
  await expectKeysSound(crowd, jobs)
}

function repeatedOf(names: readonly string[]): string[] {
  return names.filter((name, i) => names.indexOf(name) !== i)
}

/** Waiting, running or finished, and nothing of two of them. */
function expectConsistent(job: Job): void {
  const { id, status, queue, workerId, suspendedUntil, finishedAt, expiryDueAt, expiredAt } = job
  const is = { id, status, waits: queue !== null, runs: workerId !== null, sleeps: suspendedUntil !== null }
  const processing = status === 'processing'
  expect(is).toEqual({
    id,
    status,
    waits: status === 'pending',
    runs: processing && suspendedUntil === null,
    sleeps: processing && workerId === null,
  })
  expect(finishedAt !== null).toBe(isFinished(status))
  expect(expiryDueAt !== null || expiredAt !== null).toBe(isFinished(status))
}

/** The numbers in the row are those of the calls that were told that they did something. */
function expectCounted(job: Job, { runs, released, retried, ended, unknownJobs }: Crowd): void {
  const own = (row: { id: string }): boolean => row.id === job.id
  const uncounted = released.filter(own).length + unknownJobs.filter((id) => id === job.id).length
  const { id, claimNo, attempt, lostRuns } = job
  expect({ id, claimNo, attempt, lostRuns }).toEqual({
    id,
    claimNo: runs.filter(own).length,
    attempt: runs.filter(own).length - uncounted,
    lostRuns: released.filter((run) => own(run) && run.lost).length,
  })
  // A run that was claimed has the job until it gives it back.
  const given = uncounted + retried.filter(own).length
  if (job.finishedAt === null) expect(claimNo).toBe(given + (job.status === 'processing' ? 1 : 0))
  else expect([given, given + 1]).toContain(claimNo)
  const end = ended.find(own)
  if (end === undefined) return
  const { status, finishedAt, callbackDeliveryId, error } = end
  expect(job).toMatchObject({ status, finishedAt, callbackDeliveryId, error })
}

/** Each key has made one job at a time, and everybody who came with it was told of that one. */
async function expectKeysSound({ accepted, erased, stores: [store] }: Crowd, jobs: readonly Job[]): Promise<void> {
  const present = new Map(jobs.map((job) => [job.id, job]))
  for (const { job, key, answer } of accepted) {
    const same = accepted.filter(
      (other) => key !== null && other.key?.key === key.key && other.job.tenantId === job.tenantId,
    )
    const makers = same.filter((other) => other.answer.kind === 'created').map((other) => other.job.id)
    if (answer.kind === 'created' && key !== null) {
      const living = makers.filter((id) => !erased.includes(id))
      expect(living.length).toBeLessThanOrEqual(1)
      expect(present.has(job.id)).toBe(!erased.includes(job.id))
      const known = await store.jobs.lookUp(job.tenantId, key)
      if (living.includes(job.id)) expect(known).toMatchObject({ kind: 'repeated', job: { id: job.id } })
    }
    if (answer.kind === 'repeated') {
      expect(makers).toContain(answer.job.id)
      const maker = same.find((other) => other.job.id === answer.job.id)
      expect(maker?.key).toEqual(key)
    }
    if (answer.kind === 'key_reused')
      expect(same.some((other) => other.key?.fingerprint !== key?.fingerprint)).toBe(true)
    if (answer.kind !== 'created') expect(present.has(job.id)).toBe(false)
  }
}
