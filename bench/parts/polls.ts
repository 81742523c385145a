import type { Target } from '../contenders/contender.ts'
import { latencyFigures } from '../figures.ts'
import { HarnessProcess } from '../harness-process.ts'
import type { ListenersMessage, LoadMessage, LoadPlan } from '../messages.ts'
import type { Besides, SessionPlan, Step } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'
import { measureSteps } from './steps.ts'

/** Few enough for any machine to have time for what comes beside. */
const SUBMITTED_PER_S = 50
const POLLS_PER_S = 1000
const POLL_CONNECTIONS = 64
const LISTENERS = 5000
/** More than a run takes. */
const STORM_MS = 600_000

/** How long jobs take from their submission to the receiver, while others ask and listen. */
export async function polls(bench: Bench): Promise<void> {
  const { outstanding: _, ...unbounded } = endToEndPlan(bench.times)
  const plan: SessionPlan & Step = { ...unbounded, ratePerS: SUBMITTED_PER_S, maxConnections: 2 * LISTENERS }
  const loads = [
    { load: `${SUBMITTED_PER_S} jobs a second`, step: plan },
    { load: `… beside ${POLLS_PER_S} polls a second`, step: { ...plan, beside: pollStorm } },
    { load: `… beside ${LISTENERS} listeners`, step: { ...plan, beside: listeners } },
  ]
  await measureSteps(bench, 'polls', loads, bench.contenders, plan, latencyFigures)
}

/** One key asks far more often than it may: most answers are 429. */
async function pollStorm(target: Target, stack: AsyncDisposableStack): Promise<Besides> {
  const id = await scheduledJob(target)
  const generator = stack.use(new HarnessProcess<LoadMessage>('load/main.ts'))
  await generator.next('ready')
  const plan: LoadPlan = {
    kind: 'load',
    urls: target.urls,
    connections: POLL_CONNECTIONS,
    requests: [{ method: 'GET', path: `/v1/jobs/${id}/status`, headers: target.headers, body: '' }],
    // Until the run is over and ends it.
    warmupMs: 0,
    windowMs: STORM_MS,
    pace: { kind: 'open', ratePerS: POLLS_PER_S },
  }
  generator.send(plan)
  await generator.next('window-begins')
  return { job: id, faults: () => (generator.unread('loaded') === 0 ? [] : ['the polls ended too soon']) }
}

async function listeners(target: Target, stack: AsyncDisposableStack): Promise<Besides> {
  const { headers } = target
  const [url = ''] = target.urls
  const id = await scheduledJob(target)
  const path = `/v1/jobs/${id}/events`
  const args = ['--url', url, '--path', path, '--authorization', headers.authorization ?? '', '--count', `${LISTENERS}`]
  const opened = stack.use(new HarnessProcess<ListenersMessage>('listeners.ts', args))
  await opened.next('listening')
  return {
    job: id,
    faults: () => (opened.unread('lost') === 0 ? [] : [`${opened.unread('lost')} listeners were cut off`]),
  }
}

/** A job that stays what it is for the whole run. */
async function scheduledJob({ urls: [url], headers }: Target): Promise<string> {
  const run_at = new Date(Date.now() + 3_600_000).toISOString()
  const body = JSON.stringify({ type: 'echo', payload: {}, run_at })
  const response = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body })
  if (response.status !== 202) throw new Error(`a scheduled job: ${response.status} ${await response.text()}`)
  return ((await response.json()) as { id: string }).id
}
