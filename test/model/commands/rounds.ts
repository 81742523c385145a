import fc from 'fast-check'
import { unreserved } from '../../store/fixtures.ts'
import { step, TENANTS, TYPES, type WeightedStep, worker } from '../world.ts'
import { claimDeliveries, outcome, PLAIN, recordOutcome } from './lanes.ts'
import { claimJobs } from './queue.ts'
import { ending, finishAs } from './runs.ts'
import { acceptJob, newJob } from './submit.ts'

/** Several verbs in the order in which a process calls them, so that sequences get far. */
export const rounds: WeightedStep[] = [
  step(3, 'load', fc.record({ worker, count: fc.constantFrom(2, 6) }), async (world, { worker, count }) => {
    const plain = { type: 'load', priority: 5, delayMs: 0, deadlineMs: null, file: null }
    for (let i = 0; i < count; i++) await acceptJob(world, newJob(world, { ...plain, tenant: TENANTS[0], origin: 0 }))
    const request = { workerId: worker, now: world.clock.now(), limit: count, types: new Map([['load', count]]) }
    for (const run of await claimJobs(world, { ...request, afterTenant: null, ...unreserved })) {
      await finishAs(world, run, { status: 'completed', silent: false, ttlMs: 60_000 })
    }
  }),
  step(8, 'work', fc.record({ worker, limit: fc.constantFrom(2, 9), ending }), async (world, given) => {
    const types = new Map(TYPES.map((type) => [type, 9]))
    const { worker: workerId, limit } = given
    const request = { workerId, now: world.clock.now(), limit, types, afterTenant: null, ...unreserved }
    for (const run of await claimJobs(world, request)) await finishAs(world, run, given.ending)
  }),
  step(8, 'send', fc.record({ worker, outcomes: fc.tuple(outcome, outcome) }), async (world, { worker, outcomes }) => {
    const now = world.clock.now()
    for (const laneId of world.reference.deliveries.dueLanes(now)) {
      const request = { laneId, workerId: worker, now, limit: 9, ...PLAIN }
      for (const [i, delivery] of (await claimDeliveries(world, request)).entries()) {
        await recordOutcome(world, delivery, outcomes[i === 0 ? 0 : 1])
      }
    }
  }),
]
