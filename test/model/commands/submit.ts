import fc from 'fast-check'
import type { NewJob, NewKey } from '../../../src/store/store.ts'
import { agree, pick, step, TYPES, tenant, type WeightedStep, type World, which, worker } from '../world.ts'

/** Few keys and fingerprints, so that they meet. */
const givenKey = fc.record({ key: fc.constantFrom('k1', 'k2'), fingerprint: fc.constantFrom('f1', 'f2') })
export const key = fc.option(givenKey, { freq: 2 })

/** Mostly the job goes through the queue. */
export const claimant = fc.option(worker, { freq: 1 })

/** What `newJob` makes a submission of. */
export interface Submission {
  tenant: string
  type: string
  priority: number
  delayMs: number
  deadlineMs: number | null
  /** The receiver of its callbacks. */
  origin: number | null
  /** The upload that its payload names. */
  file: number | null
}

export const submission: fc.Arbitrary<Submission> = fc.record({
  tenant,
  type: fc.constantFrom(...TYPES),
  priority: fc.constantFrom(5, 0, 9),
  delayMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(1000, 60_000)),
  deadlineMs: fc.option(fc.constantFrom(500, 5000, 100_000), { freq: 2 }),
  origin: fc.constantFrom(0, 0, 0, 1, 2, null),
  file: fc.option(which, { freq: 2 }),
})

export function newJob(
  { clock, origins }: Pick<World, 'clock' | 'origins'>,
  asked: Submission,
  fileId?: string,
): NewJob {
  const createdAt = clock.now()
  const origin = asked.origin === null ? null : (origins[asked.origin] as string)
  return {
    id: clock.newId('job'),
    tenantId: asked.tenant,
    type: asked.type,
    priority: asked.priority,
    payload: JSON.stringify({ text: 'hello', files: fileId === undefined ? [] : [{ file_id: fileId }] }),
    metadata: '{"order":"42"}',
    callbackUrl: origin && `${origin}/hook`,
    callbackEvents: 'job.completed',
    endpointId: null,
    callback: origin === null ? null : { origin, newEndpointId: clock.newId('ep') },
    traceparent: `00-${asked.tenant}`,
    createdAt,
    runAt: createdAt + asked.delayMs,
    deadlineAt: asked.deadlineMs === null ? null : createdAt + asked.deadlineMs,
    timeoutMs: 1000,
    maxAttempts: 3,
    resultTtlMs: null,
  }
}

export async function acceptJob(
  world: World,
  job: NewJob,
  key: NewKey | null = null,
  workerId: string | null = null,
): Promise<void> {
  await agree(
    world,
    (store) => store.jobs.accept(job, key, workerId),
    (reference) => reference.jobs.accept(job, key, workerId),
  )
}

export const submitting: WeightedStep[] = [
  step(24, 'accept', fc.record({ asked: submission, key, claimant }), async (world, { asked, key, claimant }) => {
    const file = asked.file === null ? undefined : pick(world.reference.state.files.keys(), asked.file)
    const job = newJob(world, asked, file)
    await acceptJob(world, job, key, claimant)
  }),
  step(1, 'lookUp', fc.record({ tenant, key: givenKey }), async (world, { tenant, key }) => {
    await agree(
      world,
      (store) => store.jobs.lookUp(tenant, key),
      (reference) => reference.jobs.lookUp(tenant, key),
    )
  }),
]
