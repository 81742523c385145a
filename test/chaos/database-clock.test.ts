import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { until } from '../support/until.ts'
import { call } from './database-calls.ts'
import { ask, type Cluster, named, sleep, startCluster } from './database-cluster.ts'
import { form } from './form.ts'
import { postgresTables, sqliteTables, type Tables } from './tables.ts'

const HOUR_MS = 3_600_000
/** The second wait is less than a jump, even with its jitter. */
const SCHEDULE = { POSTHORN_RETRY_SCHEDULE: '3s,40m' }
const LATER_MS = 2_400_000
const SOON_MS = 4000
/** What is due soon may be this late, on a machine that is busy with other tests. */
const SLACK_MS = 8000
const WATCH_MS = form(1000, 30_000)
const COUNT = 5
/** As far as two clocks of a cluster may be apart. */
const APART_MS = 2000
const timeout = form(90_000, 300_000)

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgresServer()
})
afterAll(() => server[Symbol.asyncDispose]())

describe.concurrent('clocks jump: no lease ends, and nothing is sent early, late or twice', () => {
  test("PostgreSQL's goes an hour ahead and two back; who joins then has the cluster's time", { timeout }, async () => {
    const databaseUrl = await server.createDatabase()
    await using cluster = await startCluster([
      { databaseUrl, env: SCHEDULE },
      { databaseUrl, env: SCHEDULE },
    ])
    const clock = await shiftedClock(databaseUrl)
    await using tables = await postgresTables(databaseUrl)
    const scene = await arrange(cluster, tables)
    for (const hours of [1, -1]) {
      await scene.expectUndisturbed(() => clock.shift(hours))
      // The processes did see the jump.
      const [beat] = await tables.rows<{ at: string }>('SELECT min(beat_at) AS at FROM workers')
      expect(Math.abs(Number(beat?.at) - Date.now() - hours * HOUR_MS)).toBeLessThan(HOUR_MS / 2)
    }
    await cluster.add(databaseUrl, SCHEDULE)
    await expectOneTime(cluster, tables)
  })

  test("a host's goes an hour ahead and two back, with webhook-timestamp alone; another's is wrong from the start", {
    timeout,
  }, async () => {
    const databaseUrl = await server.createDatabase()
    await using cluster = await startCluster([
      { databaseUrl, env: { ...SCHEDULE, ...named('jumping') } },
      { databaseUrl, env: { ...SCHEDULE, ...named('other') } },
    ])
    await using tables = await postgresTables(databaseUrl)
    const scene = await jumpTwice(cluster, tables)
    for (const hours of form([1], [1, -1])) {
      const wrong = { ...SCHEDULE, ...named('wrong'), CHAOS_AHEAD_MS: String(hours * HOUR_MS) }
      await scene.expectUndisturbed(() => cluster.add(databaseUrl, wrong))
    }
    await expectOneTime(cluster, tables)
  })

  test("with the embedded engine, its host's goes an hour ahead and two back", { timeout }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-clock-'))
    const path = `${folder}/posthorn.db`
    await using cluster = await startCluster([
      { databaseUrl: `file:${path}`, env: { ...SCHEDULE, ...named('jumping') } },
    ])
    await using tables = sqliteTables(path)
    await jumpTwice(cluster, tables)
    await rm(folder, { recursive: true, force: true })
  })
})

/** The wall clock of the first process jumps. */
async function jumpTwice(cluster: Cluster, tables: Tables): Promise<Scene> {
  const scene = await arrange(cluster, tables)
  for (const hours of [1, -1]) {
    let since = 0
    await scene.expectUndisturbed(() => {
      cluster.processes[0]?.child.kill('SIGUSR2')
      since = Date.now() + SLACK_MS / 10
    })
    const aheadMs = cluster.receiver.hits
      .filter(({ at, headers }) => at > since && headers['x-sent-by'] === 'jumping')
      .map(({ at, headers }) => Number(headers['webhook-timestamp']) * 1000 - at)
    for (const ms of aheadMs) expect(Math.abs(ms - hours * HOUR_MS)).toBeLessThan(APART_MS)
  }
  expect(cluster.receiver.hits.map(({ headers }) => headers['x-sent-by'])).toContain('jumping')
  return scene
}

interface Scene {
  /**
   * Fails the test unless, whatever is done, what is due soon is sent soon, what is due later is not sent yet, and
   * nobody loses a lease or what runs under it.
   */
  expectUndisturbed(done: () => unknown): Promise<void>
}

/** Work that a jump of a clock could make due, or put off: retries, scheduled jobs, and jobs that run. */
async function arrange({ urls, receiver }: Cluster, tables: Tables): Promise<Scene> {
  const [url] = urls as [string]
  const attempts = (path: string) => receiver.hits.filter((hit) => hit.path === path).length
  receiver.answer = ({ path }, response) => {
    const fails = path.startsWith('/later') || (path.startsWith('/retried') && attempts(path) === 1)
    response.writeHead(fails ? 500 : 200).end()
  }
  const submit = (path: string, more: object = {}): Promise<string> =>
    submitJob(url, { type: 'echo', payload: {}, callback_url: `${receiver.url}${path}`, ...more })
  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()
  const statusOf = async (id: string) =>
    (await tables.rows<{ status: string }>(`SELECT status FROM jobs WHERE id = '${id}'`))[0]?.status
  const laters = () => Array.from({ length: COUNT }, (_, n) => attempts(`/later-${n}`))

  for (let n = 0; n < COUNT; n++) await submit(`/later-${n}`)
  const scheduled = await submit('/', { run_at: inMs(LATER_MS) })
  await until('the second attempts have failed', () => laters().every((count) => count === 2))
  const workers = await idsOf(tables)

  let round = 0
  return {
    async expectUndisturbed(done) {
      round += 1
      const soon = [`/retried-${round}`, `/scheduled-${round}`, `/running-${round}`] as const
      const [retried, promoted, ran] = soon
      const running = await submit(ran, { payload: { delay_ms: SOON_MS } })
      await submit(promoted, { run_at: inMs(SOON_MS) })
      await submit(retried)
      await until('a job runs and an attempt has failed', async () => {
        return attempts(retried) === 1 && (await statusOf(running)) === 'processing'
      })
      await done()
      const all = () => attempts(retried) === 2 && attempts(promoted) === 1 && attempts(ran) === 1
      await until('what is due soon is sent', all, SOON_MS + SLACK_MS)
      await sleep(WATCH_MS)
      expect(soon.map(attempts)).toEqual([2, 1, 1])
      expect(laters()).toEqual(Array.from({ length: COUNT }, () => 2))
      expect(await statusOf(scheduled)).toBe('pending')
      expect(await tables.number('SELECT count(*) FROM jobs WHERE lost_runs > 0')).toBe(0)
      expect(await tables.number("SELECT count(*) FROM attempts WHERE outcome = 'lost'")).toBe(0)
      expect(await idsOf(tables)).toEqual(expect.arrayContaining(workers))
    },
  }
}

async function submitJob(url: string, job: object): Promise<string> {
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const request = { method: 'POST', body: JSON.stringify(job), headers }
  let answer = await call('', url, '/v1/jobs', request)
  // Its connections may just have been cut.
  await until('the job is accepted', async () => {
    if (answer.status === 503) answer = await call('', url, '/v1/jobs', request)
    return answer.status === 202
  })
  return (JSON.parse(answer.text) as { id: string }).id
}

async function idsOf(tables: Tables): Promise<string[]> {
  return (await tables.rows<{ id: string }>('SELECT id FROM workers ORDER BY id')).map(({ id }) => id)
}

/** Every process makes jobs of about the same time, that of the first. */
async function expectOneTime({ urls }: Cluster, tables: Tables): Promise<void> {
  for (const url of urls) {
    const id = await submitJob(url, { type: 'echo', payload: {} })
    const at = await tables.number(`SELECT created_at FROM jobs WHERE id = '${id}'`)
    expect(Math.abs(at - Date.now())).toBeLessThan(APART_MS)
  }
}

const SHIFTED_CLOCK = [
  'CREATE SCHEMA shifted',
  "CREATE TABLE shifted.clock AS SELECT interval '0' AS ahead",
  `CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM shifted.clock'`,
  `DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = shifted, pg_catalog, public', current_database());
  END $$`,
  // Only what connects from now on finds it.
  'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
]

/** A server's clock that can be shifted: the service asks for `clock_timestamp()`, and finds this one first. The tables must be there. */
async function shiftedClock(databaseUrl: string): Promise<{ shift(hours: number): Promise<unknown> }> {
  for (const statement of SHIFTED_CLOCK) await ask(databaseUrl, statement)
  return { shift: (hours) => ask(databaseUrl, 'UPDATE shifted.clock SET ahead = $1', [`${hours} hours`]) }
}
