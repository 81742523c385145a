import fc from 'fast-check'
import type { Job } from '../../../src/core/job.ts'
import type { JobClaimRequest } from '../../../src/store/store.ts'
import {
  agree,
  agreeOnSet,
  expectEarliest,
  expectSome,
  limit,
  pick,
  step,
  TYPES,
  takeSome,
  tenant,
  type WeightedStep,
  type World,
  which,
  worker,
} from '../world.ts'

/** What a worker has room for. */
export const claim = fc.record({
  worker,
  limit: fc.constantFrom(1, 2, 4, 9),
  rooms: fc.tuple(...TYPES.map((type) => fc.tuple(fc.constant(type), fc.constantFrom(9, 9, 1, 2, 0, -1)))),
  types: fc.constantFrom(2, 1),
  after: fc.option(fc.oneof(tenant, fc.constant('ten_bb'))),
  reserved: fc.constantFrom(0, 1, 2),
  busy: fc.uniqueArray(tenant, { maxLength: 2 }),
})

type Claim = typeof claim extends fc.Arbitrary<infer T> ? T : never

export function claimRequest(
  { clock }: Pick<World, 'clock'>,
  { worker, limit, rooms, types, after, reserved, busy }: Claim,
): JobClaimRequest {
  return {
    workerId: worker,
    now: clock.now(),
    limit,
    types: new Map(rooms.slice(0, types)),
    afterTenant: after,
    reserved,
    reservedByType: new Map(TYPES.map((type) => [type, Math.min(1, reserved)])),
    busyTenants: new Set(busy),
  }
}

export async function claimJobs(world: World, request: JobClaimRequest): Promise<Job[]> {
  const claimed = await agree(
    world,
    (store) => store.jobs.claim(request),
    (reference) => reference.jobs.claim(request),
  )
  world.runs.push(...claimed)
  return claimed
}

export const queueing: WeightedStep[] = [
  step(8, 'claim', claim, async (world, wanted) => {
    await claimJobs(world, claimRequest(world, wanted))
  }),
  step(3, 'promote', limit, async ({ store, reference, clock }, limit) => {
    const candidates = reference.jobs.promotable(clock.now())
    const isReady = async ({ id }: Job) => (await store.jobs.find(id))?.queue === 'ready'
    const taken = await takeSome(store.jobs.promote(clock.now(), limit), candidates, limit, isReady)
    expectEarliest(taken, candidates, ({ dueAt }) => dueAt)
    reference.jobs.promoteThese(taken.map(({ id }) => id))
  }),
  step(1, 'overdue', limit, async ({ store, reference, clock }, limit) => {
    expectSome(await store.jobs.overdue(clock.now(), limit), reference.jobs.overdue(clock.now()), limit)
  }),
  step(1, 'suspendedTooLong', limit, async ({ store, reference, clock }, limit) => {
    const expected = reference.jobs.suspendedTooLong(clock.now())
    expectSome(await store.jobs.suspendedTooLong(clock.now(), limit), expected, limit)
  }),
  step(1, 'lost', limit, async ({ store, reference }, limit) => {
    expectSome(await store.jobs.lost(limit), reference.jobs.lost(), limit)
  }),
  step(1, 'held', worker, (world, worker) =>
    agreeOnSet(
      world,
      (store) => store.jobs.held(worker),
      (reference) => reference.jobs.held(worker),
    ),
  ),
  step(2, 'releaseUnknown', fc.record({ worker, known: fc.array(which, { maxLength: 3 }) }), async (world, given) => {
    const known = given.known.flatMap((number) => pick(world.runs, number)?.id ?? [])
    await agree(
      world,
      (store) => store.jobs.releaseUnknown(given.worker, known),
      (reference) => reference.jobs.releaseUnknown(given.worker, known),
    )
  }),
  step(1, 'position', fc.record({ job: which, limit }), async (world, { job, limit }) => {
    const read = pick(world.reference.state.jobs.values(), job)
    if (read === undefined) return
    await agree(
      world,
      (store) => store.jobs.position(read, limit),
      (reference) => reference.jobs.position(read, limit),
    )
  }),
  step(1, 'countReady', limit, async (world, limit) => {
    await agree(
      world,
      (store) => store.jobs.countReady(limit),
      (reference) => reference.jobs.countReady(limit),
    )
  }),
  step(1, 'saveRunTimes', fc.tuple(fc.constantFrom(...TYPES), fc.constantFrom(1, 2.5)), async (world, times) => {
    const means = new Map([times])
    await agree(
      world,
      (store) => store.jobs.saveRunTimes(means, world.clock.now()),
      (reference) => reference.jobs.saveRunTimes(means, world.clock.now()),
    )
    await agree(
      world,
      (store) => store.jobs.runTimes(),
      (reference) => reference.jobs.runTimes(),
    )
  }),
]
