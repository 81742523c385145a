import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { checkOutcome, type Outcome, RefusedFigure } from './check.ts'
import type { Contender, Counters, Target } from './contenders/contender.ts'
import { HarnessProcess } from './harness-process.ts'
import type { LoadMessage, LoadPlan, LoadReport, LoadRequest, Pace, ReceiverMessage } from './messages.ts'
import { monotonicMs } from './monotonic.ts'
import { cpuUs, peakRssBytes } from './proc.ts'

export interface Besides {
  /** The job it needs, which is none of the load's. */
  job: string
  /** What went wrong with it; empty: nothing. */
  faults(): string[]
}

/** Begins something beside the load, which the stack ends. */
export type Beside = (target: Target, stack: AsyncDisposableStack) => Promise<Besides>

/** What a contender is started with, once for all of a session's steps. */
export interface SessionPlan {
  roles: string
  /** Before the first step; before the others it is shorter. */
  warmupMs: number
  /** Of each step. */
  windowMs: number
  processes?: number
  /** Where what goes on beside needs more of them than usual. */
  maxConnections?: number
  /** Whether it is waited for all deliveries of a step. Otherwise the contender is killed at the end, and what it answered must be stored. */
  drains: boolean
  /** For how long at most. */
  drainMs?: number
}

/** One load. */
export interface Step {
  connections: number
  /** What the generator sends. Jobs go to the endpoints in turn, events to all. */
  send: 'jobs' | 'events'
  /** Registered endpoints; 0: jobs name a callback URL. */
  endpoints: number
  /** How long the receiver takes to answer. */
  receiverDelayMs: number
  /** How many deliveries may be outstanding, or the rate of an open load; none: as fast as connections allow. */
  outstanding?: number
  ratePerS?: number | ((earlier: readonly Observed[]) => number)
  /** What else goes on meanwhile. */
  beside?: Beside
  /** How long it is counted, in windows of the session; 1 unless it says otherwise. */
  windows?: number
}

/** A session of one step. */
export type RunPlan = SessionPlan & Step

/** What one step was, checked. What is not of the load is of the whole session. */
export interface Run extends Observed, Outcome {
  load: LoadReport
  peakRssBytes: number
  /** What the run has written, per job or event; null where nothing is stored. */
  diskBytesEach: number | null
  /** From before the first request to after the last delivery; null where nothing is counted. */
  counted: Counters | null
}

export const ALL_ROLES = 'api,worker,dispatcher'
/** What a registered endpoint has unless it says otherwise. */
const MAX_CONCURRENCY = 64
/** POSTHORN_DELIVERY_CONCURRENCY. */
const DELIVERY_CONCURRENCY = 1024
const DRAIN_MS = 60_000
/** The code is warm by then; what goes on is not yet as it will be. */
const NEXT_WARMUP_MS = 700
const LOOK_MS = 20
/** About what a callback of a shop says. */
const PAYLOAD = { order: 'A-1042', amount: 129_900, currency: 'EUR', note: 'left at the door', items: [17, 4, 2039] }

type Receiver = HarnessProcess<ReceiverMessage>

/** Starts a contender and its receiver, loads it, and checks what came of it. @throws RefusedFigure */
export async function run(contender: Contender, plan: RunPlan): Promise<Run> {
  const [ran] = await runSteps(contender, plan, [plan])
  return ran as Run
}

/** The same with one load after the other. What went wrong in one refuses all. @throws RefusedFigure */
export async function runSteps(contender: Contender, plan: SessionPlan, steps: readonly Step[]): Promise<Run[]> {
  await using stack = new AsyncDisposableStack()
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const receiver: Receiver = stack.use(new HarnessProcess<ReceiverMessage>('receiver.ts', ['--secret', secret]))
  const { port, progressPort } = await receiver.next('listening')
  const target = stack.use(
    await contender.start({
      roles: plan.roles,
      secret,
      receiverPort: port,
      concurrency: Math.min(
        MAX_CONCURRENCY * Math.max(1, ...steps.map(({ endpoints }) => endpoints)),
        DELIVERY_CONCURRENCY,
      ),
      processes: plan.processes ?? 1,
      ...(plan.maxConnections === undefined ? {} : { maxConnections: plan.maxConnections }),
    }),
  )
  const session = { target, secret, receiver, receiverUrl: `http://127.0.0.1:${port}`, progressPort }
  const bytesBefore = await target.diskBytes()
  const countersBefore = await target.counters()
  const observed: Observed[] = []
  for (const step of steps) observed.push(await takeStep(session, plan, step, observed))
  const peaks = await Promise.all(target.pids.map(peakRssBytes))
  const counted = difference(countersBefore, await target.counters())
  const ended = await target.end(plan.drains ? 'SIGTERM' : 'SIGKILL')
  const besides = new Set(observed.map(({ beside }) => beside?.job))
  const stored = ended?.filter(({ id }) => !besides.has(id)) ?? null
  const bytesAfter = await target.diskBytes()
  receiver.send({ kind: 'report' })
  const received = await receiver.next('report')
  const load = allOf(observed.map((each) => each.load))
  const each = new Map(observed.flatMap(({ load: { ids }, step }) => ids.map((id) => [id, deliveriesEach(step)])))
  checkOutcome({ load, received, stored }, { deliveriesOf: plan.drains ? (id) => each.get(id) ?? 0 : null })
  const diskBytesEach =
    bytesBefore === null || bytesAfter === null ? null : (bytesAfter - bytesBefore) / load.ids.length
  return observed.map((step) => ({
    ...step,
    received,
    stored,
    peakRssBytes: Math.max(...peaks),
    diskBytesEach,
    counted,
  }))
}

interface Session {
  target: Target
  secret: string
  receiver: Receiver
  receiverUrl: string
  progressPort: number
}

async function takeStep(
  { target, secret, receiver, receiverUrl, progressPort }: Session,
  plan: SessionPlan,
  step: Step,
  earlier: readonly Observed[],
): Promise<Observed> {
  const deliveredBefore = earlier.reduce((sum, { load, step }) => sum + load.ids.length * deliveriesEach(step), 0)
  const requests = await requestsOf(step, earlier.length, target, secret, receiverUrl)
  await using besideStack = new AsyncDisposableStack()
  const beside = (await step.beside?.(target, besideStack)) ?? null
  await using stack = new AsyncDisposableStack()
  const generator = stack.use(new HarnessProcess<LoadMessage>('load/main.ts'))
  const observed = await observe(generator, target, {
    kind: 'load',
    urls: target.urls,
    connections: step.connections,
    requests,
    warmupMs: earlier.length === 0 ? plan.warmupMs : Math.min(plan.warmupMs, NEXT_WARMUP_MS),
    windowMs: plan.windowMs * (step.windows ?? 1),
    pace: paceOf(step, earlier, deliveredBefore, progressPort),
  })
  const expected = deliveredBefore + observed.load.ids.length * deliveriesEach(step)
  if (plan.drains) await drained(receiver, expected, plan.drainMs)
  const faults = beside?.faults() ?? []
  if (faults.length > 0) throw new RefusedFigure(faults)
  return { ...observed, step, beside }
}

/** What was asked for in all steps. */
function allOf(loads: readonly LoadReport[]): LoadReport {
  const [first] = loads as [LoadReport]
  return {
    ...first,
    ids: loads.flatMap(({ ids }) => ids),
    failures: loads.flatMap(({ failures }) => failures),
    failed: loads.reduce((sum, { failed }) => sum + failed, 0),
  }
}

function difference(before: Counters | null, after: Counters | null): Counters | null {
  if (before === null || after === null) return null
  const syncs = before.syncs === null || after.syncs === null ? null : after.syncs - before.syncs
  return { rowWrites: after.rowWrites - before.rowWrites, commits: after.commits - before.commits, syncs }
}

/** How many deliveries each job or event makes. */
function deliveriesEach({ send, endpoints }: Step): number {
  return send === 'events' ? endpoints : 1
}

function paceOf(step: Step, earlier: readonly Observed[], deliveredBefore: number, progressPort: number): Pace {
  const { ratePerS, outstanding } = step
  if (ratePerS !== undefined) {
    return { kind: 'open', ratePerS: typeof ratePerS === 'number' ? ratePerS : ratePerS(earlier) }
  }
  if (outstanding === undefined) return { kind: 'closed' }
  return { kind: 'bounded', outstanding, deliveriesEach: deliveriesEach(step), deliveredBefore, progressPort }
}

/** @param number Of the step, which has endpoints and an event type of its own */
async function requestsOf(
  { send, endpoints, receiverDelayMs }: Step,
  number: number,
  target: Target,
  secret: string,
  receiverUrl: string,
): Promise<LoadRequest[]> {
  const { headers } = target
  const post = (path: string, body: object): LoadRequest => ({
    method: 'POST',
    path,
    headers,
    body: JSON.stringify(body),
  })
  const jobs = (callback: object) => post('/v1/jobs', { type: 'echo', payload: PAYLOAD, ...callback })
  const url = `${receiverUrl}/hooks/${number}`
  if (endpoints === 0) return [jobs({ callback_url: `${url}?${receiverDelayMs}` })]
  const type = `order.paid${number}`
  const common = { secret, max_concurrency: MAX_CONCURRENCY, event_types: [type] }
  const ids: string[] = []
  for (let each = 1; each <= endpoints; each++) {
    ids.push(await register(target, { url: `${url}/${each}?${receiverDelayMs}`, ...common }))
  }
  if (send === 'jobs') return ids.map((id) => jobs({ callback: { endpoint_id: id } }))
  return [post('/v1/events', { type, data: PAYLOAD })]
}

async function register({ urls: [url], headers }: Target, endpoint: object): Promise<string> {
  const response = await fetch(`${url}/v1/endpoints`, { method: 'POST', headers, body: JSON.stringify(endpoint) })
  if (response.status !== 201) throw new Error(`registering an endpoint: ${response.status} ${await response.text()}`)
  return ((await response.json()) as { id: string }).id
}

/** What was seen of one step while it went on. */
export interface Observed {
  step: Step
  beside: Besides | null
  load: LoadReport
  windowMs: number
  /** Share of one core, within the window. */
  cores: number
  databaseCores: number | null
  generatorCores: number
}

async function observe(generator: HarnessProcess<LoadMessage>, target: Target, plan: LoadPlan) {
  await generator.next('ready')
  generator.send(plan)
  await generator.next('window-begins')
  const before = await cpuOf(target)
  await generator.next('window-ends')
  const after = await cpuOf(target)
  const load: LoadReport = await generator.next('loaded')
  const windowMs = load.window.to - load.window.from
  const elapsedUs = 1000 * (after.at - before.at)
  return {
    load,
    windowMs,
    cores: (after.ownUs - before.ownUs) / elapsedUs,
    databaseCores:
      after.databaseUs === null || before.databaseUs === null
        ? null
        : (after.databaseUs - before.databaseUs) / elapsedUs,
    generatorCores: load.cpuUs / (1000 * windowMs),
  }
}

async function cpuOf(target: Target) {
  const at = monotonicMs()
  const own = await Promise.all(target.pids.map((pid) => cpuUs(pid)))
  return { at, ownUs: own.reduce((sum, us) => sum + us, 0), databaseUs: await target.databaseCpuUs() }
}

/** Resolves when all has come, or has had its time: what is missing then is lost, and the check says so. */
async function drained(receiver: Receiver, expected: number, limitMs = DRAIN_MS): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += LOOK_MS) {
    receiver.send({ kind: 'count' })
    if ((await receiver.next('count')).count >= expected) return
    await delay(LOOK_MS)
  }
}
