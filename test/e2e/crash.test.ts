import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { startReceiver, verified } from '../support/receiver.ts'
import { API_KEY, SIGNING_SECRET } from '../support/service.ts'

const JOBS = 2000
const KILLS = 20

/** Kills fall while work is under way: at a random time of the run after each start. */
const RUN_MS = { min: 150, max: 500 }

test(`${KILLS} times kill -9 in ${JOBS} jobs: none is lost, and a repeat has the same webhook-id`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-crash-'))
  await using receiver = await startReceiver()
  const env = {
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiver.port}`,
    POSTHORN_JOB_CONCURRENCY: '16',
  }
  const accepted = new Set<string>()
  let service = await start(env)
  let submitting = true
  const submitters = [0, 1, 2, 3].map((lane) => submitAll(lane))

  async function submitAll(lane: number): Promise<void> {
    for (let n = lane; n < JOBS; n += 4) {
      for (let done = false; !done && submitting; ) done = await submitOnce(n)
    }
  }

  /** What a client does that got no answer: the same request again. */
  async function submitOnce(n: number): Promise<boolean> {
    const body = { type: 'echo', payload: { n, delay_ms: n % 20 }, callback_url: `${receiver.url}/${n}` }
    try {
      const response = await fetch(`${service.url}/v1/jobs`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${API_KEY}`,
          'content-type': 'application/json',
          prefer: 'respond-async',
          'idempotency-key': `job-${n}`,
        },
        body: JSON.stringify(body),
      })
      if (response.status !== 202) return false
      accepted.add(((await response.json()) as { id: string }).id)
      return true
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return false
    }
  }

  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const runFor = RUN_MS.min + Math.random() * (RUN_MS.max - RUN_MS.min)
      await new Promise((resolve) => setTimeout(resolve, runFor))
      await service.end('SIGKILL')
      service = await start(env)
    }
    await Promise.all(submitters)
    const jobOf = (body: string) => (JSON.parse(body) as { data: { id: string } }).data.id
    await waitUntil(() => new Set(receiver.hits.map(({ body }) => jobOf(body))).size >= JOBS)

    const idsOfJob = Map.groupBy(receiver.hits, ({ body }) => jobOf(body))
    expect(accepted.size).toBe(JOBS)
    expect(new Set(idsOfJob.keys())).toEqual(accepted)
    for (const hits of idsOfJob.values()) {
      expect(new Set(hits.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
      expect(new Set(hits.map(({ body }) => body)).size).toBe(1)
    }
    for (const hit of receiver.hits) expect(verified(hit, SIGNING_SECRET).type).toBe('job.completed')
    // Repeats can only be what was in flight when a kill fell.
    expect(receiver.hits.length - JOBS).toBeLessThanOrEqual(KILLS * 64)
    expect(await service.end('SIGTERM')).toBe(0)
    expectSound(`${folder}/posthorn.db`)
  } finally {
    submitting = false
    await service.end()
    await rm(folder, { recursive: true, force: true })
  }
}, 180_000)

/** Ready within two seconds of its start, recovery included (ABUSE §6.1; the process itself takes a part of that). */
async function start(env: Record<string, string>): Promise<ServiceProcess> {
  const service = await startProcess(env)
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  return service
}

function expectSound(path: string): void {
  const db = new Database(path, { readonly: true })
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  const count = (sql: string) => db.prepare(sql).pluck().get()
  expect(count("SELECT count(*) FROM jobs WHERE status <> 'completed'")).toBe(0)
  expect(count('SELECT count(*) FROM jobs')).toBe(JOBS)
  expect(count("SELECT count(*) FROM deliveries WHERE status <> 'delivered'")).toBe(0)
  expect(count('SELECT count(*) FROM deliveries')).toBe(JOBS)
  expect(count('SELECT count(*) FROM events')).toBe(JOBS)
  db.close()
}

async function waitUntil(holds: () => boolean, timeoutMs = 60_000): Promise<void> {
  const give = Date.now() + timeoutMs
  while (!holds()) {
    if (Date.now() > give) throw new Error('it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
