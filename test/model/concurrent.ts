import fc from 'fast-check'
import { fakeClock } from '../support/clock.ts'
import { holds } from './check.ts'
import { type Crowd, newCrowd } from './crowd/crowd.ts'
import { deliveryCalls } from './crowd/delivery-calls.ts'
import { expectDeliveriesSound, expectErased, expectLanesKept } from './crowd/delivery-invariants.ts'
import { jobCalls } from './crowd/job-calls.ts'
import { allJobs, expectJobsSound } from './crowd/job-invariants.ts'
import { type Stage, workUpTo } from './crowd/stages.ts'
import { newOrigins } from './sequence.ts'
import { pick, WORKERS, which, worker } from './world.ts'

const all = [...jobCalls, ...deliveryCalls]

/** Many calls of a few verbs, after some work has got so far that they meet at it. */
function crowdOf(stage: Stage | null, names: readonly string[]) {
  const wanted = fc.oneof(...all.filter(({ name }) => names.includes(name)))
  return fc.record({
    stage: fc.constant(stage),
    waitMs: fc.constantFrom(0, 1000, 30_000),
    /** The worker that puts back what it does not know of; of the last ones it knows these. */
    doubting: fc.option(fc.record({ worker, known: fc.array(which, { maxLength: 2 }) })),
    calls: fc.array(wanted, { minLength: 1, maxLength: 10, size: 'max' }),
  })
}

const group = fc.oneof(
  {
    weight: 2,
    arbitrary: crowdOf(
      null,
      all.map(({ name }) => name),
    ),
  },
  crowdOf(null, ['accept']),
  crowdOf('ready', ['claim', 'strike off']),
  crowdOf('running', ['finish', 'finishUnclaimed', 'release', 'retry', 'progress']),
  crowdOf('ended', ['claim a lane']),
  crowdOf('sending', ['record', 'erase', 'releaseLost']),
  crowdOf('ended', ['expire', 'erase', 'postponeExpiry']),
)

type Group = typeof group extends fc.Arbitrary<infer T> ? T : never

/** Makes many calls at once, again and again; what they are told must add up to what is stored. */
export async function standsCrowds(open: () => Promise<Crowd['stores']>, numRuns: number): Promise<void> {
  const groups = fc.array(group, { maxLength: 12, size: 'max' })
  const property = fc.asyncProperty(groups, async (groups) => {
    const crowd = newCrowd(await open(), fakeClock(), newOrigins())
    for (const worker of WORKERS) await crowd.stores[0].workers.enter(worker, crowd.clock.now())
    for (const group of groups) await makeCalls(crowd, group)
    await expectJobsSound(crowd)
    await expectDeliveriesSound(crowd)
    await expectErased(crowd)
  })
  await holds(property, numRuns)
}

async function makeCalls(crowd: Crowd, { stage, waitMs, doubting, calls }: Group): Promise<void> {
  crowd.clock.advance(waitMs)
  if (doubting !== null) await putBackUnknown(crowd, doubting)
  if (stage !== null) await workUpTo(stage, crowd)
  crowd.known = new Map((await allJobs(crowd)).map((job) => [job.id, job]))
  const { stores } = crowd
  const answers = await Promise.allSettled(calls.map((call) => call.run(crowd, stores[call.store] ?? stores[0])))
  for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
  await expectLanesKept(crowd)
}

/** By contract not while the worker claims something. */
async function putBackUnknown(crowd: Crowd, doubting: { worker: string; known: number[] }): Promise<void> {
  const [store] = crowd.stores
  const jobs = doubting.known.flatMap((number) => pick(crowd.runs, number)?.id ?? [])
  const held = await store.jobs.held(doubting.worker)
  await store.jobs.releaseUnknown(doubting.worker, jobs)
  crowd.unknownJobs.push(...held.filter((id) => !jobs.includes(id)))
  const deliveries = doubting.known.flatMap((number) => pick(crowd.sent, number)?.id ?? [])
  const all = { limit: 10_000, before: null }
  const sending = await store.deliveries.list(null, { status: 'delivering' }, all)
  await store.deliveries.releaseUnknown(doubting.worker, deliveries)
  for (const { id, workerId } of sending) {
    if (workerId === doubting.worker && !deliveries.includes(id)) crowd.unknownDeliveries.push(id)
  }
}
