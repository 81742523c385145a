import fc from 'fast-check'
import { expect } from 'vitest'
import type { Job } from '../../../src/core/job.ts'
import {
  agree,
  agreeOnSet,
  expectEarliest,
  expectSome,
  limit,
  oneIn,
  pick,
  step,
  takeSome,
  tenant,
  type WeightedStep,
  type World,
  which,
} from '../world.ts'
import { newCallback } from './runs.ts'

/** A finished job, if there is one. */
function finishedOf({ reference }: World, number: number): Job | undefined {
  return pick(
    [...reference.state.jobs.values()].filter(({ finishedAt }) => finishedAt !== null),
    number,
  )
}

export const expiring: WeightedStep[] = [
  step(1, 'expiryDue', limit, async ({ store, reference, clock }, limit) => {
    const expected = reference.jobs.expiryDue(clock.now())
    const due = await store.jobs.expiryDue(clock.now(), limit)
    expectSome(due, expected, limit)
    expectEarliest(due, expected, ({ expiryDueAt }) => Number(expiryDueAt))
    const times = due.map(({ expiryDueAt }) => Number(expiryDueAt))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  }),
  step(2, 'postponeExpiry', fc.record({ job: which, told: fc.boolean(), stale: oneIn(4) }), async (world, given) => {
    const job = finishedOf(world, given.job)
    if (job === undefined) return
    const read = given.stale ? { ...job, expiryDueAt: Number(job.expiryDueAt) - 1 } : job
    const expiring = given.told ? newCallback(world, job, 'job.expiring') : null
    const dueAt = world.clock.now() + 1000
    await agree(
      world,
      (store) => store.jobs.postponeExpiry(read, dueAt, expiring),
      (reference) => reference.jobs.postponeExpiry(read, dueAt, expiring),
    )
  }),
  step(3, 'expire', fc.record({ job: which, unfinished: oneIn(6), told: fc.boolean() }), async (world, given) => {
    const jobs = world.reference.state.jobs.values()
    const job = given.unfinished ? pick(jobs, given.job) : finishedOf(world, given.job)
    if (job === undefined) return
    const expired = given.told ? newCallback(world, job, 'job.expired') : null
    await agreeOnSet(
      world,
      (store) => store.jobs.expire(job, world.clock.now(), expired),
      (reference) => reference.jobs.expire(job, world.clock.now(), expired),
    )
  }),
  step(2, 'purge', fc.record({ limit, agoMs: fc.constantFrom(0, 1000, 60_000) }), async (world, { limit, agoMs }) => {
    const { store, reference, clock } = world
    const before = clock.now() - agoMs
    const isGone = async ({ id }: Job) => (await store.jobs.find(id)) === null
    const gone = await takeSome(store.jobs.purge(before, limit), reference.jobs.purgeable(before), limit, isGone)
    reference.jobs.purgeThese(gone.map(({ id }) => id))
  }),
  step(2, 'erase', fc.record({ job: which, unfinished: oneIn(4), foreign: oneIn(8), tenant }), async (world, given) => {
    const jobs = world.reference.state.jobs.values()
    const job = given.unfinished ? pick(jobs, given.job) : finishedOf(world, given.job)
    const id = job?.id ?? 'job_none'
    const owner = given.foreign ? given.tenant : (job?.tenantId ?? given.tenant)
    const erased = await world.store.jobs.erase(owner, id)
    expect(erased?.sort() ?? null).toEqual(world.reference.jobs.erase(owner, id)?.sort() ?? null)
  }),
]
