import fc from 'fast-check'
import { StoreUnavailableError } from '../../../src/errors.ts'
import type { NewJob, Store } from '../../../src/store/store.ts'
import { fakeClock } from '../../support/clock.ts'
import { newJob } from '../commands/submit.ts'
import { newOrigins } from '../sequence.ts'
import { TENANTS, type World } from '../world.ts'
import { chanceOf } from './chance.ts'
import { DeadError, type Faults, lineTo, Traffic } from './line.ts'
import type { Home, SimulatedProcess } from './process.ts'
import { type Incident, Town } from './town.ts'
import { MAX_ATTEMPTS, type RunPlan, type Seen } from './work.ts'

const runPlan = fc.constantFrom<RunPlan[]>('ok', 'ok', 'ok', 'fail', 'hang', 'refuse')

const plannedJob = fc.record({
  at: fc.nat(15_000),
  tenant: fc.constantFrom(...TENANTS),
  plan: fc.tuple(runPlan, runPlan, runPlan),
  ms: fc.constantFrom(0, 100, 2000),
  origin: fc.nat(1),
})

export type PlannedJob = typeof plannedJob extends fc.Arbitrary<infer T> ? T : never

const incident = fc.record({
  at: fc.nat(18_000),
  process: fc.nat(1),
  kind: fc.constantFrom<Incident[]>('death', 'stop', 'stall'),
})

export const scenario = fc.record({
  seed: fc.integer(),
  processes: fc.constantFrom(1, 2),
  /** Of the calls to the store that fail. */
  share: fc.constantFrom(0, 0.03, 0.15),
  /** … that take long. */
  slow: fc.constantFrom(0, 0.2),
  /** Whether the receiver has its moods. */
  moody: fc.boolean(),
  jobs: fc.array(plannedJob, { minLength: 1, maxLength: 25, size: 'max' }),
  incidents: fc.array(incident, { maxLength: 4 }),
})

export type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

/** What the simulation runs on. */
export interface Ground {
  /** For each process that is started, all on one database, which is empty at first. */
  nextHome(): Promise<Home>
}

/** How it ended. */
export interface Aftermath {
  store: Store
  seen: Seen
  faults: Faults
  /** No call to the store has failed. */
  calm: boolean
  /** The job that was made of each that was planned. */
  accepted: Map<PlannedJob, string>
  unexplained: unknown[]
  /** Everything has ended. */
  settled: boolean
}

const TICK_MS = 100
/** After this nothing goes wrong any more. */
const FAULTS_MS = 20_000
/** By then everything must have ended. Claims of deliveries last longer: nobody may have to wait for their end. */
const END_MS = 75_000

export async function simulate(scenario: Scenario, ground: Ground): Promise<Aftermath> {
  const { processes, share, slow, moody, jobs, incidents } = scenario
  const chance = chanceOf(scenario.seed)
  const clock = fakeClock()
  const { store } = await ground.nextHome()
  const faults: Faults = { share, slow, chance, touched: new Set() }
  const seen: Seen = { done: [], mostRuns: 0, taken: [], arrived: [], unheld: [] }
  const aftermath: Aftermath = {
    store,
    seen,
    faults,
    calm: share === 0,
    accepted: new Map(),
    unexplained: [],
    settled: false,
  }
  const traffic = new Traffic()
  const mood = () => (moody && clock.now() < begunAt + FAULTS_MS ? chance() : 1)
  const town = new Town({ ...aftermath, clock, traffic, mood }, ground.nextHome)
  for (let i = 0; i < processes; i++) await town.settle()
  const begunAt = clock.now()
  const api = () => town.someProcess(chance()) ?? lineTo(store, clock, faults, traffic).store.jobs
  const submit = submitter({ clock, origins: newOrigins() }, api, aftermath.accepted)
  const plans = [
    ...jobs.map((job) => ({ at: job.at, begin: () => submit(job) })),
    ...incidents.map(({ at, kind, process }) => ({ at, begin: () => town.suffer(kind, process) })),
  ].sort((a, b) => a.at - b.at)
  const pass = async (): Promise<void> => {
    await traffic.settled()
    clock.advance(TICK_MS)
  }
  for (let now = 0; now < END_MS && !aftermath.settled; now = clock.now() - begunAt) {
    while (plans[0] !== undefined && plans[0].at <= now) plans.shift()?.begin()
    if (now >= FAULTS_MS) Object.assign(faults, { share: 0, slow: 0 })
    await pass()
    const over = now > FAULTS_MS && now % 1000 === 0 && aftermath.accepted.size === jobs.length
    aftermath.settled = over && (await hasSettled(store))
  }
  await meanwhile(town.close(), pass)
  return aftermath
}

/** A client that asks with the same key again until it is answered, each time whom `api` names. */
function submitter(
  world: Pick<World, 'clock' | 'origins'>,
  api: () => Pick<SimulatedProcess, 'accept'>,
  accepted: Aftermath['accepted'],
): (planned: PlannedJob) => void {
  let keys = 0
  const submit = async (planned: PlannedJob, key: string): Promise<void> => {
    for (;;) {
      const answer = await api()
        .accept(jobOf(world, planned), { key, fingerprint: 'f' })
        .catch((error: unknown) => {
          if (error instanceof StoreUnavailableError || error instanceof DeadError) return null
          throw error
        })
      if (answer !== null && 'job' in answer) {
        accepted.set(planned, answer.job.id)
        return
      }
      await world.clock.sleep(200)
    }
  }
  return (planned) => {
    keys += 1
    void submit(planned, `key ${keys}`)
  }
}

function jobOf(world: Pick<World, 'clock' | 'origins'>, { tenant, plan, ms, origin }: PlannedJob): NewJob {
  const asked = { tenant, type: 'planned', priority: 5, delayMs: 0, deadlineMs: null, origin, file: null }
  const events = 'job.started,job.completed,job.failed'
  const payload = JSON.stringify({ plan, ms })
  const limits = { timeoutMs: 3000, maxAttempts: MAX_ATTEMPTS }
  return { ...newJob(world, asked), payload, callbackEvents: events, ...limits, traceparent: TRACEPARENT }
}

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const all = { limit: 10_000, before: null }

/** All jobs have ended, and all their callbacks. */
async function hasSettled(store: Store): Promise<boolean> {
  for (const tenant of TENANTS) {
    const jobs = await store.jobs.list(tenant, {}, all)
    if (jobs.some(({ finishedAt }) => finishedAt === null)) return false
  }
  return (await store.deliveries.list(null, {}, all)).every(({ finishedAt }) => finishedAt !== null)
}

async function meanwhile(work: Promise<void>, pass: () => Promise<void>): Promise<void> {
  let over = false
  const ended = work.finally(() => {
    over = true
  })
  while (!over) await pass()
  await ended
}
