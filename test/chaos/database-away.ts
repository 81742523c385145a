import { expect } from 'vitest'
import { until } from '../support/until.ts'
import { type Call, call, KINDS_OF_CALLS, makeKnown, startCalls } from './database-calls.ts'
import { ANSWER_MS, type Cluster, RESUME_MS, sleep } from './database-cluster.ts'
import { callbacksOf, expectPolite, expectRepeatsOf, expectSound, jobOf, startLoad } from './database-load.ts'
import { tell } from './form.ts'

export interface Absence {
  what: string
  /** The database is away from all processes when this resolves, and not before it is called. */
  leave: () => Promise<void>
  forMs: number
  /** It is back when this resolves. */
  comeBack: () => Promise<void>
  /** For the test, past whatever keeps the processes from it. */
  databaseUrl: string
}

/** A job that outlasts the absence for who waits for it. */
const SLOW_JOB_MS = 60_000
/** A test machine may be busy with other things. */
const SLACK_MS = 1000

/**
 * Takes the database away from a cluster under load, and fails the test unless every call is answered with 503 in time
 * meanwhile, and all goes on by itself when it is back.
 */
export async function endure(cluster: Cluster, { what, leave, forMs, comeBack, databaseUrl }: Absence): Promise<void> {
  const [first] = cluster.urls as [string]
  const known = await makeKnown(first, `${cluster.receiver.url}/known`)
  const load = startLoad({ urls: () => cluster.urls, callbackUrl: cluster.receiver.url })
  const held = await holdCalls(first)
  const callers = startCalls(cluster.urls, known)
  await cluster.receiver.waitFor(cluster.receiver.hits.length + 20, undefined, 30_000)

  const underWay = new Set(load.accepted.values())
  const leavesAt = Date.now()
  await leave()
  const goneAt = Date.now()
  const health = watchHealth(cluster)
  await sleep(forMs)
  await callers.stop()
  await health.stop()
  await comeBack()
  const backAt = Date.now()
  const newWorkMs = await resumed(cluster, backAt)
  await load.stop()
  const outcome = await callbacksOf(load, cluster)
  const { jobs, lost, duplicates } = outcome
  const leftOver = cluster.receiver.hits.filter((hit) => underWay.has(jobOf(hit)) && hit.at > backAt)
  const oldWorkMs = Math.max(0, ...leftOver.map(({ at }) => at - backAt))

  const during = callers.calls.filter(({ startedAt }) => startedAt >= goneAt)
  const late = ({ startedAt, ms }: Call): number => startedAt + ms - Math.max(startedAt, leavesAt)
  const heldMs = Object.fromEntries((await held.answers).map((one) => [one.kind, [one.status, late(one)]]))
  const slowest = callers.calls.reduce((one, other) => (late(one) > late(other) ? one : other))
  tell(what, {
    jobs,
    lost,
    duplicates,
    calls: during.length,
    slowest: [slowest.kind, late(slowest)],
    slowestOfLoadMs: load.slowestMs,
    heldMs,
    newWorkMs,
    oldWorkMs,
  })
  expect(new Set(during.map(({ kind }) => kind))).toEqual(new Set(KINDS_OF_CALLS))
  expect(during.filter(({ status, retryAfter }) => status !== 503 || retryAfter === null)).toEqual([])
  expect(callers.calls.filter(({ status }) => status === 0 || status === 500)).toEqual([])
  expect(late(slowest)).toBeLessThan(ANSWER_MS)
  expect(load.slowestMs).toBeLessThan(ANSWER_MS)
  for (const [status, ms] of Object.values(heldMs)) {
    expect(status).toBe(503)
    expect(ms).toBeLessThan(ANSWER_MS + SLACK_MS)
  }
  health.expectKnown(goneAt)
  expectPolite(load.refusals)
  expect(Math.max(newWorkMs, oldWorkMs)).toBeLessThan(RESUME_MS)
  expect(lost).toBe(0)
  expectRepeatsOf([{ from: leavesAt, to: backAt }], outcome)
  await expectSound(load, databaseUrl)
  for (const { child } of cluster.processes) expect(child.exitCode).toBeNull()
}

/** Calls that are under way when the database goes: held for a job's end, or still sending. */
async function holdCalls(url: string): Promise<{ answers: Promise<Call[]> }> {
  const headers = { 'content-type': 'application/json' }
  const job = JSON.stringify({ type: 'echo', payload: { delay_ms: SLOW_JOB_MS } })
  const slow = await call('', url, '/v1/jobs', {
    method: 'POST',
    body: job,
    headers: { ...headers, prefer: 'respond-async' },
  })
  const { id } = JSON.parse(slow.text) as { id: string }
  const answers = Promise.all([
    call('held submission', url, '/v1/jobs', { method: 'POST', body: job, headers }),
    call('long poll', url, `/v1/jobs/${id}`, { headers: { prefer: 'wait=30' } }),
  ])
  return { answers }
}

interface Health {
  stop(): Promise<void>
  /** Fails the test unless /healthz was 200 all the time, and /readyz said soon that it is the database that fails. */
  expectKnown(goneAt: number): void
}

function watchHealth({ urls }: Cluster): Health {
  const alive: Call[] = []
  const ready: Call[] = []
  let running = true
  const loops = urls.map(async (url) => {
    while (running) {
      const [health, readiness] = await Promise.all([call('healthz', url, '/healthz'), call('readyz', url, '/readyz')])
      alive.push(health)
      ready.push(readiness)
      await sleep(200)
    }
  })
  return {
    async stop() {
      running = false
      await Promise.all(loops)
    },
    expectKnown(goneAt) {
      expect(new Set(alive.map(({ status }) => status))).toEqual(new Set([200]))
      expect(Math.max(...[...alive, ...ready].map(({ ms }) => ms))).toBeLessThan(ANSWER_MS)
      const told = ready.filter(({ startedAt, ms }) => startedAt + ms >= goneAt + ANSWER_MS)
      expect(told.length).toBeGreaterThan(0)
      for (const { status, text } of told) {
        expect(status).toBe(503)
        expect((JSON.parse(text) as { checks: { database: string } }).checks.database).not.toBe('ok')
      }
    },
  }
}

/** Until a new job is accepted by each process, and has called back. */
async function resumed({ urls, receiver }: Cluster, since: number): Promise<number> {
  const body = JSON.stringify({ type: 'echo', payload: {}, callback_url: `${receiver.url}/resumed` })
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const jobs = await Promise.all(
    urls.map(async (url) => {
      let id = ''
      const submitted = async (): Promise<boolean> => {
        const { status, text } = await call('', url, '/v1/jobs', { method: 'POST', body, headers })
        if (status === 202) id = (JSON.parse(text) as { id: string }).id
        return status === 202
      }
      await until(`${url} accepts a job again`, submitted, 3 * RESUME_MS)
      return id
    }),
  )
  const hits = await receiver.waitFor(jobs.length, (hit) => jobs.includes(jobOf(hit)), 3 * RESUME_MS)
  return Math.max(...hits.map(({ at }) => at)) - since
}
