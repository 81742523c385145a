import { expect } from 'vitest'
import type { Job } from '../../../src/core/job.ts'
import type { DeliveryView } from '../../../src/store/store.ts'
import { TENANTS } from '../world.ts'
import type { Aftermath, PlannedJob } from './simulation.ts'
import { RUNS_OF_TYPE } from './work.ts'

const all = { limit: 10_000, before: null }

/** Everything was done: once, unless the process that did it came to grief. */
export async function expectAllDone(aftermath: Aftermath): Promise<void> {
  const { store, seen, accepted, unexplained, settled } = aftermath
  expect(unexplained).toEqual([])
  expect(seen.unheld).toEqual([])
  const jobs = (await Promise.all(TENANTS.map((tenant) => store.jobs.list(tenant, {}, all)))).flat()
  const deliveries = await store.deliveries.list(null, {}, all)
  expect({ settled, unfinished: [...jobs, ...deliveries].filter(({ finishedAt }) => finishedAt === null) }).toEqual({
    settled: true,
    unfinished: [],
  })
  expect(jobs.map(({ id }) => id).sort()).toEqual([...accepted.values()].sort())
  for (const [planned, id] of accepted) {
    const job = jobs.find((one) => one.id === id) as Job
    expectAsPlanned(planned, job, aftermath)
    expectToldOnce(
      job,
      deliveries.filter(({ jobId }) => jobId === id),
    )
  }
  for (const delivery of deliveries) await expectDelivered(delivery, aftermath)
  expect(seen.mostRuns).toBeLessThanOrEqual(RUNS_OF_TYPE)
  expect(await store.jobs.countReady(10)).toBe(0)
}

function expectAsPlanned({ plan }: PlannedJob, job: Job, { seen, faults, calm }: Aftermath): void {
  const last = plan.findIndex((step) => step === 'ok' || step === 'refuse')
  const completes = plan[last] === 'ok'
  const done = seen.done.filter((id) => id === job.id).length
  const { id, status, attempt, lostRuns } = job
  if (job.error?.includes('worker_lost')) {
    expect(lostRuns).toBe(2)
    return
  }
  expect({ id, status, attempt }).toEqual({
    id,
    status: completes ? 'completed' : 'failed',
    attempt: last === -1 ? plan.length : last + 1,
  })
  if (calm && !faults.touched.has(id)) expect({ id, lostRuns }).toEqual({ id, lostRuns: 0 })
  if (!faults.touched.has(id)) expect({ id, done }).toEqual({ id, done: completes ? 1 : 0 })
  else if (completes) expect(done).toBeGreaterThanOrEqual(1)
}

/** One event says how it ended, and it is the one that the job names. */
function expectToldOnce({ status, callbackDeliveryId }: Job, deliveries: readonly DeliveryView[]): void {
  const ends = deliveries.filter(({ eventType }) => eventType !== 'job.started')
  expect(ends.map(({ id, eventType }) => ({ id, eventType }))).toEqual([
    { id: callbackDeliveryId, eventType: `job.${status}` },
  ])
}

async function expectDelivered(
  { id, eventId, status }: DeliveryView,
  { store, seen, faults }: Aftermath,
): Promise<void> {
  const taken = seen.taken.filter((event) => event === eventId).length
  const arrived = seen.arrived.filter((event) => event === eventId).length
  expect({ id, status }).toEqual({ id, status: 'delivered' })
  if (faults.touched.has(id)) {
    expect(taken).toBeGreaterThanOrEqual(1)
    return
  }
  expect({ id, taken }).toEqual({ id, taken: 1 })
  const attempts = await store.deliveries.attempts(id)
  expect({ id, arrived }).toEqual({ id, arrived: attempts.filter(({ outcome }) => outcome !== 'lost').length })
}
