import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type Hit, verified } from '../support/receiver.ts'
import { API_KEY, SIGNING_SECRET } from '../support/service.ts'
import { until } from '../support/until.ts'
import { ask, type Cluster, sleep } from './database-cluster.ts'

export interface Answer {
  /** 0: none, the connection ended. */
  status: number
  retryAfter: string | null
  at: number
  ms: number
  text: string
}

/** Clients that submit jobs, each with an idempotency key and again until it is accepted, to one process after another. */
export interface Load {
  /** Its jobs have it in their payload. */
  name: string
  /** The job's id by its number. */
  accepted: Map<number, string>
  /** All that was no 202. */
  refusals: Answer[]
  slowestMs: number
  /** Begins no more jobs; resolves when those begun are accepted. */
  stop(): Promise<void>
}

export interface LoadOptions {
  /** Where to, asked before each request. */
  urls: () => readonly string[]
  callbackUrl: string
  clients?: number
  /** Between the jobs of a client. */
  pauseMs?: number
  /** How long a job takes. */
  delayMs?: (n: number) => number
  /** Makes them larger. */
  filler?: string
}

/** Longer than anything may take: a call that ends by this has hung. */
const HUNG_MS = 30_000
const AGAIN_MS = 50

export function startLoad({
  urls,
  callbackUrl,
  clients = 4,
  pauseMs = 40,
  delayMs = (n) => n % 20,
  filler = '',
}: LoadOptions): Load {
  const name = randomBytes(6).toString('hex')
  let next = 0
  let running = true
  const load: Load = {
    name,
    accepted: new Map(),
    refusals: [],
    slowestMs: 0,
    async stop() {
      running = false
      await working
    },
  }

  async function submit(n: number, url: string): Promise<Answer> {
    const at = Date.now()
    const payload = { load: name, n, delay_ms: delayMs(n), filler }
    const job = { type: 'echo', payload, callback_url: `${callbackUrl}/${n}` }
    try {
      const response = await fetch(`${url}/v1/jobs`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${API_KEY}`,
          'content-type': 'application/json',
          prefer: 'respond-async',
          'idempotency-key': `${name}-${n}`,
        },
        body: JSON.stringify(job),
        signal: AbortSignal.timeout(HUNG_MS),
      })
      const text = await response.text()
      const retryAfter = response.headers.get('retry-after')
      return { status: response.status, retryAfter, at, ms: Date.now() - at, text }
    } catch (error) {
      return { status: 0, retryAfter: null, at, ms: Date.now() - at, text: String(error) }
    }
  }

  async function untilAccepted(n: number): Promise<void> {
    for (let tries = n; ; tries++) {
      const all = urls()
      const answer = await submit(n, all[tries % all.length] as string)
      load.slowestMs = Math.max(load.slowestMs, answer.ms)
      if (answer.status === 202) {
        load.accepted.set(n, (JSON.parse(answer.text) as { id: string }).id)
        return
      }
      load.refusals.push(answer)
      await sleep(AGAIN_MS)
    }
  }

  async function client(): Promise<void> {
    while (running) {
      await untilAccepted(next++)
      await sleep(pauseMs)
    }
  }

  const working = Promise.all(Array.from({ length: clients }, client))
  return load
}

/** When the database was not there. */
export interface Gap {
  from: number
  to: number
}

/** What came of a load, once every accepted job has called back. */
export interface Outcome {
  jobs: number
  lost: number
  duplicates: number
  /** Of the hits that were repeated later, when each came. */
  repeatedAt: number[]
}

export const jobOf = ({ body }: Hit): string => (JSON.parse(body) as { data: { id: string } }).data.id

/**
 * Waits for the callbacks of all accepted jobs, and fails the test unless each is signed, says that its job is
 * completed, and repeats no other id or body than its first.
 */
export async function callbacksOf(load: Load, { receiver }: Cluster): Promise<Outcome> {
  const missing = new Set(load.accepted.values())
  const hitsOfJob = new Map<string, Hit[]>([...missing].map((id) => [id, []]))
  let seen = 0
  const look = (): boolean => {
    for (const hit of receiver.hits.slice(seen)) {
      hitsOfJob.get(jobOf(hit))?.push(hit)
      missing.delete(jobOf(hit))
      seen += 1
    }
    return missing.size === 0
  }
  // What is missing then is told by its number.
  await until('all jobs have called back', look).catch(() => {})
  const repeatedAt: number[] = []
  for (const hits of hitsOfJob.values()) {
    if (hits.length === 0) continue
    expect(new Set(hits.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(new Set(hits.map(({ body }) => body)).size).toBe(1)
    for (const hit of hits) expect(verified(hit, SIGNING_SECRET).type).toBe('job.completed')
    repeatedAt.push(...hits.slice(0, -1).map(({ at }) => at))
  }
  return { jobs: hitsOfJob.size, lost: missing.size, duplicates: repeatedAt.length, repeatedAt }
}

const ROWS = `
  WITH ours AS (SELECT id, status FROM jobs WHERE payload LIKE '{"load":"' || $1 || '"%'),
    theirs AS (SELECT status FROM deliveries WHERE job_id IN (SELECT id FROM ours))
  SELECT (SELECT count(*)::int FROM ours) AS jobs,
    (SELECT count(*)::int FROM ours WHERE status <> 'completed') AS unfinished,
    (SELECT count(*)::int FROM theirs) AS deliveries,
    (SELECT count(*)::int FROM theirs WHERE status <> 'delivered') AS undelivered,
    (SELECT count(*)::int FROM events WHERE job_id IN (SELECT id FROM ours)) AS events`

/** Each number has one job, each job one event and one delivery, and all have ended well. */
export async function expectSound(load: Load, databaseUrl: string): Promise<void> {
  const count = load.accepted.size
  let state = {}
  const settled = async () => {
    state = await ask(databaseUrl, ROWS, [load.name])
    return 'undelivered' in state && state.undelivered === 0
  }
  await until('what was delivered is on record', settled, 30_000).catch(() => {})
  expect(state).toEqual({ jobs: count, unfinished: 0, deliveries: count, undelivered: 0, events: count })
}

/** Attempts that ended this long before the database went were recorded by then. */
const RECORDED_MS = 2000

/** Fails the test when something came twice that was not on its way while the database was not there. */
export function expectRepeatsOf(gaps: readonly Gap[], { repeatedAt }: Outcome): void {
  expect(repeatedAt.filter((at) => !gaps.some(({ from, to }) => from - RECORDED_MS < at && at < to))).toEqual([])
}

/** A client was never told anything but that it should come again, and how soon. */
export function expectPolite(refusals: readonly Answer[]): void {
  const rude = refusals.filter(({ status, retryAfter }) => ![409, 503].includes(status) || retryAfter === null)
  expect(rude).toEqual([])
}
