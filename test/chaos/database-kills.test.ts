import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { until } from '../support/until.ts'
import { call } from './database-calls.ts'
import { ANSWER_MS, ask, type Cluster, RESUME_MS, sleep, startCluster } from './database-cluster.ts'
import { callbacksOf, expectPolite, expectSound, type Load, startLoad } from './database-load.ts'
import { form, tell } from './form.ts'

/** Attempts that ended this long before a kill were recorded by then. */
const RECORDED_MS = 2000

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgresServer({ durable: true })
})
afterAll(() => server[Symbol.asyncDispose]())

/** When the database was not there. */
interface Gap {
  from: number
  to: number
}

describe('PostgreSQL ends under load, and nothing accepted is lost', () => {
  test.each([
    { times: form(3, 20), what: 'is killed', signal: 'SIGKILL' },
    { times: form(1, 5), what: 'shuts down at once', signal: 'SIGQUIT' },
    { times: form(1, 5), what: 'is restarted orderly', signal: 'SIGINT' },
  ] as const)('$times times it $what', { timeout: form(60_000, 300_000) }, async ({ times, what, signal }) => {
    const databaseUrl = await server.createDatabase()
    await using cluster = await startCluster([{ databaseUrl }, { databaseUrl }, { databaseUrl }].slice(0, form(2, 3)))
    const load = startLoad({ urls: () => cluster.urls, callbackUrl: cluster.receiver.url })
    const gaps: Gap[] = []
    const resumedMs: number[] = []
    for (let kill = 0; kill < times; kill++) {
      const { length } = cluster.receiver.hits
      await cluster.receiver.waitFor(length + 20 + Math.floor(Math.random() * 30), undefined, 30_000)
      const from = Date.now()
      await server.kill(signal)
      await server.restart()
      gaps.push({ from, to: Date.now() })
      resumedMs.push(await acceptedAgain(load))
    }
    await load.stop()
    const { repeatedAt, ...figures } = await callbacksOf(load, cluster)
    const refused = load.refusals.length
    const { slowestMs } = load
    tell(`PostgreSQL ${what} ${times} times`, { ...figures, refused, slowestMs, resumedMs: Math.max(...resumedMs) })

    expect(figures.lost).toBe(0)
    expect(repeatedAt.filter((at) => !gaps.some(({ from, to }) => from - RECORDED_MS < at && at < to))).toEqual([])
    expect(slowestMs).toBeLessThan(ANSWER_MS)
    expect(Math.max(...resumedMs)).toBeLessThan(RESUME_MS)
    expectPolite(load.refusals)
    await expectSound(load, databaseUrl)
    for (const { child } of cluster.processes) expect(child.exitCode).toBeNull()
  })
})

/** Until a job is accepted that was begun after now. */
async function acceptedAgain(load: Load): Promise<number> {
  const since = Date.now()
  const { size } = load.accepted
  await until('jobs are accepted again', () => load.accepted.size > size, 3 * RESUME_MS)
  return Date.now() - since
}

test('what has become read-only is answered with 503, and taken up again when it can be written', async () => {
  const databaseUrl = await server.createDatabase()
  await using cluster = await startCluster([{ databaseUrl }, { databaseUrl }])
  const load = startLoad({ urls: () => cluster.urls, callbackUrl: cluster.receiver.url })
  await cluster.receiver.waitFor(20, undefined, 30_000)

  await setReadOnly(true)
  await until('both refuse', () => all(cluster, '/readyz', 503))
  const refusedAt = Date.now()
  const before = load.accepted.size
  await sleep(form(2000, 30_000))
  const accepted = load.accepted.size - before
  await setReadOnly(false)
  const backAt = Date.now()
  await until('both are ready', () => all(cluster, '/readyz', 200))
  const resumedMs = Math.max(Date.now() - backAt, await acceptedAgain(load))
  await load.stop()
  const { lost, duplicates, jobs } = await callbacksOf(load, cluster)
  tell('read-only', { jobs, lost, duplicates, refused: load.refusals.length, slowestMs: load.slowestMs, resumedMs })

  expect(accepted).toBe(0)
  expect(load.refusals.some(({ status, at }) => status === 503 && at > refusedAt)).toBe(true)
  expectPolite(load.refusals)
  expect(load.slowestMs).toBeLessThan(ANSWER_MS)
  expect(resumedMs).toBeLessThan(RESUME_MS)
  expect(lost).toBe(0)
  expect(duplicates).toBe(0)
  await expectSound(load, databaseUrl)
  for (const { child } of cluster.processes) expect(child.exitCode).toBeNull()
}, 90_000)

/** As a server is that was the first and is now a standby, for what comes after. */
async function setReadOnly(readOnly: boolean): Promise<void> {
  const setting = `ALTER SYSTEM SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`
  await ask(server.url(), setting)
  await ask(server.url(), 'SELECT pg_reload_conf()')
}

async function all({ urls }: Cluster, path: string, status: number): Promise<boolean> {
  const answers = await Promise.all(urls.map((url) => call('', url, path)))
  return answers.every((answer) => answer.status === status)
}
