import fc from 'fast-check'
import type { Job } from '../../../src/core/job.ts'
import type { JobClaim, JobFinish, NewCallback } from '../../../src/store/store.ts'
import { agree, oneIn, pick, step, type WeightedStep, type World, which } from '../world.ts'

/** One of the runs that are under way; sometimes one whose job has another run by now, or any. */
const run = fc.record({ run: which, among: fc.constantFrom('present', 'present', 'present', 'superseded', 'all') })

type Run = typeof run extends fc.Arbitrary<infer T> ? T : never

function runOf({ runs, reference }: World, { run, among }: Run): JobClaim {
  const candidates = runs.filter(({ id, claimNo }) => {
    const job = reference.state.jobs.get(id)
    return among === 'all' || (job?.status === 'processing' && (job.claimNo === claimNo) === (among === 'present'))
  })
  const chosen = pick(candidates, run)
  return chosen === undefined ? { id: 'job_none', claimNo: 1 } : { id: chosen.id, claimNo: chosen.claimNo }
}

/** An event about a job; null when the job has nobody to tell. */
export function newCallback({ clock }: Pick<World, 'clock'>, job: Job | undefined, type: string): NewCallback | null {
  if (job === undefined || job.endpointId === null) return null
  const createdAt = clock.now()
  const deliveryId = clock.newId('dlv')
  const body = JSON.stringify({ type, data: { id: job.id } })
  return { eventId: clock.newId('evt'), deliveryId, type, body, createdAt, expiresAt: createdAt + 86_400_000 }
}

export const ending = fc.record({
  status: fc.constantFrom('completed', 'failed', 'cancelled'),
  silent: oneIn(5),
  ttlMs: fc.constantFrom(1000, 60_000),
})

type Ending = typeof ending extends fc.Arbitrary<infer T> ? T : never

export function newFinish(
  world: Pick<World, 'clock'>,
  job: Job | undefined,
  { status, silent, ttlMs }: Ending,
): JobFinish {
  const now = world.clock.now()
  return {
    status,
    finishedAt: now,
    progress: status === 'completed' ? 100 : 50,
    message: null,
    result: status === 'completed' ? '{"ok":true}' : null,
    resultFileId: status === 'completed' ? 'file_result' : null,
    error: status === 'failed' ? '{"code":"x"}' : null,
    expiryDueAt: now + ttlMs,
    callback: silent ? null : newCallback(world, job, `job.${status}`),
  }
}

const report = fc.record({
  progress: fc.constantFrom(0, 40, 100),
  message: fc.option(fc.constantFrom('half', 'Grüße "x"\n')),
})

export const running: WeightedStep[] = [
  step(4, 'progress', fc.record({ run, report, told: fc.boolean() }), async (world, { run, report, told }) => {
    const claim = runOf(world, run)
    const callback = told ? newCallback(world, world.reference.state.jobs.get(claim.id), 'job.progress') : null
    const progress = { ...report, at: world.clock.now(), callback }
    await agree(
      world,
      (store) => store.jobs.progress(claim, progress),
      (reference) => reference.jobs.progress(claim, progress),
    )
  }),
  step(1, 'progressSince', fc.record({ job: which, after: fc.nat(4) }), async (world, { job, after }) => {
    const id = pick(world.reference.state.jobs.keys(), job) ?? 'job_none'
    await agree(
      world,
      (store) => store.jobs.progressSince(id, after),
      (reference) => [...reference.jobs.progressSince(id, after)],
    )
  }),
  step(2, 'announce', run, async (world, run) => {
    const claim = runOf(world, run)
    const callback = newCallback(world, world.reference.state.jobs.get(claim.id), 'job.started')
    if (callback === null) return
    await agree(
      world,
      (store) => store.jobs.announce(claim, callback),
      (reference) => reference.jobs.announce(claim, callback),
    )
  }),
  step(3, 'suspend', fc.record({ run, report, ms: fc.constantFrom(0, 5000) }), async (world, { run, report, ms }) => {
    const claim = runOf(world, run)
    const state = { until: world.clock.now() + ms, ...report }
    await agree(
      world,
      (store) => store.jobs.suspend(claim, state),
      (reference) => reference.jobs.suspend(claim, state),
    )
  }),
  step(3, 'retry', fc.record({ run, ms: fc.constantFrom(0, 1000, 60_000) }), async (world, { run, ms }) => {
    const claim = runOf(world, run)
    const dueAt = world.clock.now() + ms
    await agree(
      world,
      (store) => store.jobs.retry(claim, dueAt, '{"code":"again"}'),
      (reference) => reference.jobs.retry(claim, dueAt, '{"code":"again"}'),
    )
  }),
  step(3, 'release', fc.record({ run, lost: fc.boolean() }), async (world, { run, lost }) => {
    const claim = runOf(world, run)
    await agree(
      world,
      (store) => store.jobs.release(claim, lost),
      (reference) => reference.jobs.release(claim, lost),
    )
  }),
  step(6, 'finish', fc.record({ run, ending }), finishRun),
  step(
    4,
    'finishUnclaimed',
    fc.record({ job: which, stale: oneIn(4), ending }),
    async (world, { job, stale, ending }) => {
      const read = pick(world.reference.state.jobs.values(), job)
      if (read === undefined) return
      const version = read.version - (stale ? 1 : 0)
      const finish = newFinish(world, read, ending)
      await agree(
        world,
        (store) => store.jobs.finishUnclaimed(read.id, version, finish),
        (reference) => reference.jobs.finishUnclaimed(read.id, version, finish),
      )
    },
  ),
]

async function finishRun(world: World, { run, ending }: { run: Run; ending: Ending }): Promise<void> {
  await finishAs(world, runOf(world, run), ending)
}

export async function finishAs(world: World, claim: JobClaim, ending: Ending): Promise<void> {
  const finish = newFinish(world, world.reference.state.jobs.get(claim.id), ending)
  await agree(
    world,
    (store) => store.jobs.finish(claim, finish),
    (reference) => reference.jobs.finish(claim, finish),
  )
}
