import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { until } from '../support/until.ts'
import { endure } from './database-away.ts'
import { call } from './database-calls.ts'
import { ANSWER_MS, ask, type Cluster, RESUME_MS, sleep, startCluster } from './database-cluster.ts'
import {
  callbacksOf,
  expectPolite,
  expectRepeatsOf,
  expectSound,
  type Gap,
  type Load,
  startLoad,
} from './database-load.ts'
import { form, tell } from './form.ts'

const PROCESSES = form(2, 3)
const ANSWER_AFTER_MS = 40
const AWAY_MS = form(6000, 30_000)

let server: PostgresServer
let databaseUrl: string
let cluster: Cluster

beforeAll(async () => {
  server = await startPostgresServer({ durable: true })
  databaseUrl = await server.createDatabase()
  cluster = await startCluster(Array.from({ length: PROCESSES }, () => ({ databaseUrl })))
  // So that there are attempts under way whenever the server goes.
  cluster.receiver.answer = (_hit, response) => setTimeout(() => response.end(), ANSWER_AFTER_MS)
}, 60_000)
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const load = (): Load =>
  startLoad({ urls: () => cluster.urls, callbackUrl: cluster.receiver.url, ...form({}, { clients: 10, pauseMs: 5 }) })

const hits = (count: number) =>
  cluster.receiver.waitFor(cluster.receiver.hits.length + count, undefined, 30_000).then(() => {})

describe('PostgreSQL ends under load: nothing that was accepted is lost', () => {
  test.each([
    { what: 'killed', signal: 'SIGKILL', times: form(3, 20) },
    { what: 'shut down at once', signal: 'SIGQUIT', times: form(1, 5) },
    { what: 'restarted in good order', signal: 'SIGINT', times: form(1, 5) },
  ] as const)('$what, $times times', { timeout: form(90_000, 300_000) }, async ({ times, what, signal }) => {
    const submitting = load()
    const gaps: Gap[] = []
    const resumedMs: number[] = []
    for (let kill = 0; kill < times; kill++) {
      await hits(15 + Math.floor(Math.random() * 20))
      const from = Date.now()
      await server.kill(signal)
      await server.restart()
      gaps.push({ from, to: Date.now() })
      resumedMs.push(await acceptedAgain(submitting))
    }
    await submitting.stop()
    const outcome = await callbacksOf(submitting, cluster)
    const { jobs, lost, duplicates } = outcome
    const { slowestMs, refusals } = submitting
    const figures = { times, jobs, lost, duplicates, refused: refusals.length, slowestMs }
    tell(`PostgreSQL ${what}`, { ...figures, resumedMs: Math.max(...resumedMs) })

    expect(lost).toBe(0)
    expectRepeatsOf(gaps, outcome)
    expect(slowestMs).toBeLessThan(ANSWER_MS)
    expect(Math.max(...resumedMs)).toBeLessThan(RESUME_MS)
    expectPolite(refusals)
    await expectSound(submitting, databaseUrl)
    expectAllAlive()
  })
})

test(
  `with PostgreSQL gone for ${AWAY_MS / 1000} s all calls get 503 in time, and all goes on when it is back`,
  () =>
    endure(cluster, {
      what: 'PostgreSQL gone',
      databaseUrl,
      leave: () => server.kill('SIGKILL'),
      forMs: AWAY_MS,
      comeBack: () => server.restart(),
    }),
  120_000,
)

test('what has become read-only is answered with 503, and taken up again when it can be written', async () => {
  const submitting = load()
  await hits(15)

  await setReadOnly(true)
  await until('all refuse', () => all('/readyz', 503))
  const refusedAt = Date.now()
  // Transactions that had begun before may end yet.
  await sleep(500)
  const before = submitting.accepted.size
  await sleep(form(2000, 30_000))
  const accepted = submitting.accepted.size - before
  await setReadOnly(false)
  const backAt = Date.now()
  await until('all are ready', () => all('/readyz', 200))
  const resumedMs = Math.max(Date.now() - backAt, await acceptedAgain(submitting))
  await submitting.stop()
  const { jobs, lost, duplicates } = await callbacksOf(submitting, cluster)
  const { slowestMs, refusals } = submitting
  tell('PostgreSQL read-only', { jobs, lost, duplicates, refused: refusals.length, slowestMs, resumedMs })

  expect(accepted).toBe(0)
  expect(refusals.some(({ status, at }) => status === 503 && at > refusedAt)).toBe(true)
  expectPolite(refusals)
  expect(slowestMs).toBeLessThan(ANSWER_MS)
  expect(resumedMs).toBeLessThan(RESUME_MS)
  expect({ lost, duplicates }).toEqual({ lost: 0, duplicates: 0 })
  await expectSound(submitting, databaseUrl)
  expectAllAlive()
}, 90_000)

/** Until a job is accepted that was not by now. */
async function acceptedAgain({ accepted }: Load): Promise<number> {
  const since = Date.now()
  const { size } = accepted
  await until('jobs are accepted again', () => accepted.size > size, 3 * RESUME_MS)
  return Date.now() - since
}

/** As a server is that was the first and is now a standby, for what comes after. */
async function setReadOnly(readOnly: boolean): Promise<void> {
  await ask(server.url(), `ALTER SYSTEM SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`)
  await ask(server.url(), 'SELECT pg_reload_conf()')
}

async function all(path: string, status: number): Promise<boolean> {
  const answers = await Promise.all(cluster.urls.map((url) => call('', url, path)))
  return answers.every((answer) => answer.status === status)
}

function expectAllAlive(): void {
  for (const { child } of cluster.processes) expect(child.exitCode).toBeNull()
}
