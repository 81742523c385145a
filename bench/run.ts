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

/** One run of one contender. */
export interface RunPlan {
  roles: string
  connections: number
  warmupMs: number
  windowMs: number
  /** What the generator sends. Jobs go to the endpoints in turn, events to all. */
  send: 'jobs' | 'events'
  /** Registered endpoints; 0: jobs name a callback URL. */
  endpoints: number
  /** How long the receiver takes to answer. */
  receiverDelayMs: number
  /** How many deliveries may be outstanding, or the rate of an open load; none: as fast as connections allow. */
  outstanding?: number
  ratePerS?: number
  processes?: number
  /** What else goes on meanwhile. */
  beside?: Beside
  /** Where what goes on beside needs more of them than usual. */
  maxConnections?: number
  /** Whether it is waited for all deliveries. Otherwise the contender is killed at the end, and what it answered must be stored. */
  drains: boolean
  /** For how long at most. */
  drainMs?: number
}

/** What one run was, checked. */
export interface Run extends Outcome {
  windowMs: number
  /** Share of one core, within the window. */
  cores: number
  databaseCores: number | null
  generatorCores: number
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
const LOOK_MS = 20
/** About what a callback of a shop says. */
const PAYLOAD = { order: 'A-1042', amount: 129_900, currency: 'EUR', note: 'left at the door', items: [17, 4, 2039] }

type Receiver = HarnessProcess<ReceiverMessage>

/** Starts a contender and its receiver, loads it, and checks what came of it. @throws RefusedFigure */
export async function run(contender: Contender, plan: RunPlan): Promise<Run> {
  await using stack = new AsyncDisposableStack()
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const receiverArgs = ['--secret', secret, '--delay-ms', String(plan.receiverDelayMs)]
  const receiver: Receiver = stack.use(new HarnessProcess<ReceiverMessage>('receiver.ts', receiverArgs))
  const { port, progressPort } = await receiver.next('listening')
  const target = stack.use(
    await contender.start({
      roles: plan.roles,
      secret,
      receiverPort: port,
      concurrency: Math.min(MAX_CONCURRENCY * Math.max(1, plan.endpoints), DELIVERY_CONCURRENCY),
      processes: plan.processes ?? 1,
      ...(plan.maxConnections === undefined ? {} : { maxConnections: plan.maxConnections }),
    }),
  )
  const requests = await requestsOf(plan, target, secret, `http://127.0.0.1:${port}`)
  const bytesBefore = await target.diskBytes()
  const countersBefore = await target.counters()
  const besideStack = stack.use(new AsyncDisposableStack())
  const beside = await plan.beside?.(target, besideStack)
  const generator = stack.use(new HarnessProcess<LoadMessage>('load/main.ts'))
  const observed = await observe(generator, target, loadPlan(plan, target, requests, progressPort))
  const { load } = observed
  if (plan.drains) await drained(receiver, load.ids.length * deliveriesEach(plan), plan.drainMs)
  const peaks = await Promise.all(target.pids.map(peakRssBytes))
  const counted = difference(countersBefore, await target.counters())
  const faults = beside?.faults() ?? []
  if (faults.length > 0) throw new RefusedFigure(faults)
  await besideStack.disposeAsync()
  const ended = await target.end(plan.drains ? 'SIGTERM' : 'SIGKILL')
  const stored = ended?.filter(({ id }) => id !== beside?.job) ?? null
  const bytesAfter = await target.diskBytes()
  receiver.send({ kind: 'report' })
  const received = await receiver.next('report')
  checkOutcome({ load, received, stored }, { deliveriesEach: plan.drains ? deliveriesEach(plan) : null })
  const diskBytesEach =
    bytesBefore === null || bytesAfter === null ? null : (bytesAfter - bytesBefore) / load.ids.length
  return { ...observed, received, stored, peakRssBytes: Math.max(...peaks), diskBytesEach, counted }
}

function difference(before: Counters | null, after: Counters | null): Counters | null {
  if (before === null || after === null) return null
  const syncs = before.syncs === null || after.syncs === null ? null : after.syncs - before.syncs
  return { rowWrites: after.rowWrites - before.rowWrites, commits: after.commits - before.commits, syncs }
}

/** How many deliveries each job or event makes. */
export function deliveriesEach({ send, endpoints }: RunPlan): number {
  return send === 'events' ? endpoints : 1
}

function loadPlan(plan: RunPlan, target: Target, requests: LoadRequest[], progressPort: number): LoadPlan {
  const { connections, warmupMs, windowMs } = plan
  return {
    kind: 'load',
    urls: target.urls,
    connections,
    requests,
    warmupMs,
    windowMs,
    pace: paceOf(plan, progressPort),
  }
}

function paceOf(plan: RunPlan, progressPort: number): Pace {
  if (plan.ratePerS !== undefined) return { kind: 'open', ratePerS: plan.ratePerS }
  if (plan.outstanding === undefined) return { kind: 'closed' }
  return { kind: 'bounded', outstanding: plan.outstanding, deliveriesEach: deliveriesEach(plan), progressPort }
}

async function requestsOf(plan: RunPlan, target: Target, secret: string, receiverUrl: string): Promise<LoadRequest[]> {
  const { headers } = target
  const job = { type: 'echo', payload: PAYLOAD }
  const jobs = (callback: object): LoadRequest => ({
    method: 'POST',
    path: '/v1/jobs',
    headers,
    body: JSON.stringify({ ...job, ...callback }),
  })
  if (plan.endpoints === 0) return [jobs({ callback_url: `${receiverUrl}/hooks` })]
  const ids: string[] = []
  for (let number = 1; number <= plan.endpoints; number++) {
    ids.push(
      await register(target, { url: `${receiverUrl}/hooks/${number}`, secret, max_concurrency: MAX_CONCURRENCY }),
    )
  }
  if (plan.send === 'jobs') return ids.map((id) => jobs({ callback: { endpoint_id: id } }))
  return [{ method: 'POST', path: '/v1/events', headers, body: JSON.stringify({ type: 'order.paid', data: PAYLOAD }) }]
}

async function register({ urls: [url], headers }: Target, endpoint: object): Promise<string> {
  const response = await fetch(`${url}/v1/endpoints`, { method: 'POST', headers, body: JSON.stringify(endpoint) })
  if (response.status !== 201) throw new Error(`registering an endpoint: ${response.status} ${await response.text()}`)
  return ((await response.json()) as { id: string }).id
}

type Observed = Omit<Run, 'received' | 'stored' | 'peakRssBytes' | 'diskBytesEach' | 'counted'>

async function observe(generator: HarnessProcess<LoadMessage>, target: Target, plan: LoadPlan): Promise<Observed> {
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
