import { expect, test } from 'vitest'
import { startPostgresServer } from '../support/postgres-server.ts'
import { call } from './database-calls.ts'
import { ANSWER_MS, ask, RESUME_MS, sleep, startCluster } from './database-cluster.ts'
import { callbacksOf, expectPolite, expectSound, startLoad } from './database-load.ts'
import { form, tell } from './form.ts'

const FOR_MS = form(4000, 10_000)
const EVERY_MS = 500
const JOBS = 10
/** Who is not woken looks once a second: half of the jobs would begin later than in the middle of that. */
const WOKEN_MS = 300

const ALL_BUT_OURS = `
  SELECT count(pg_terminate_backend(pid))::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`

test('all connections are cut again and again: nothing is lost or sent twice, and wake-ups come again', async () => {
  await using server = await startPostgresServer({ durable: true })
  const databaseUrl = await server.createDatabase()
  await using cluster = await startCluster([
    { databaseUrl, env: { POSTHORN_ROLES: 'api' } },
    { databaseUrl, env: { POSTHORN_ROLES: 'worker,dispatcher' } },
  ])
  const urls = cluster.urls.slice(0, 1)
  const [api] = urls as [string]
  const { receiver } = cluster
  receiver.answer = (_hit, response) => setTimeout(() => response.end(), 20)
  const load = startLoad({ urls: () => urls, callbackUrl: receiver.url })
  await receiver.waitFor(20, undefined, 30_000)

  let cut = 0
  for (const until = Date.now() + FOR_MS; Date.now() < until; await sleep(EVERY_MS)) {
    cut += (await ask<{ count: number }>(databaseUrl, ALL_BUT_OURS)).count
  }
  const overAt = Date.now()
  await load.stop()
  const { jobs, lost, duplicates } = await callbacksOf(load, cluster)
  const resumedMs = Math.max(0, ...receiver.hits.map(({ at }) => at - overAt))
  const wokenMs = await beginsAfter(api)
  const refused = load.refusals.length
  tell('connections cut', { cut, jobs, lost, duplicates, refused, slowestMs: load.slowestMs, resumedMs, wokenMs })

  expect(cut).toBeGreaterThan(FOR_MS / EVERY_MS)
  expect(lost).toBe(0)
  expect(duplicates).toBe(0)
  expect(load.slowestMs).toBeLessThan(ANSWER_MS)
  expect(resumedMs).toBeLessThan(RESUME_MS)
  expect(wokenMs).toBeLessThan(WOKEN_MS)
  expectPolite(load.refusals)
  await expectSound(load, databaseUrl)
  for (const { child } of cluster.processes) expect(child.exitCode).toBeNull()
}, 90_000)

/** The median of how long jobs wait for a process to begin them; asked again until it is short, as long as that may take. */
async function beginsAfter(url: string): Promise<number> {
  const give = Date.now() + RESUME_MS
  for (;;) {
    const waits: number[] = []
    for (let i = 0; i < JOBS; i++) waits.push(await beginsAfterOnce(url))
    const median = waits.sort((a, b) => a - b)[JOBS / 2] as number
    if (median < WOKEN_MS || Date.now() > give) return median
  }
}

async function beginsAfterOnce(url: string): Promise<number> {
  // At any time between two looks.
  await sleep(Math.random() * 200)
  const body = JSON.stringify({ type: 'echo', payload: {} })
  const made = await call('', url, '/v1/jobs', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  })
  const job = JSON.parse(made.text) as { created_at: string; started_at: string }
  return Date.parse(job.started_at) - Date.parse(job.created_at)
}
