import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { until } from '../support/until.ts'
import { endure } from './database-away.ts'
import { ask, type Cluster, named, sleep, startCluster } from './database-cluster.ts'
import { callbacksOf, expectPolite, expectSound, startLoad } from './database-load.ts'
import { startProxy } from './database-proxy.ts'
import { form, tell } from './form.ts'

const CUT_MS = form(8000, 60_000)
/** How soon the work of a process that nobody hears of is with another (ABUSE §6.1). */
const TAKEN_OVER_MS = 30_000
/** A process that has not heard of its database for this long begins nothing (engine/lease.ts). */
const LEASE_MS = 20_000

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgresServer({ durable: true })
})
afterAll(() => server[Symbol.asyncDispose]())

describe.concurrent('cut off from PostgreSQL', () => {
  test(`for ${CUT_MS / 1000} s, all processes: calls get 503 in time, and all goes on afterwards`, {
    timeout: form(120_000, 300_000),
  }, async () => {
    await using proxy = await startProxy(server.port)
    const databaseUrl = await server.createDatabase()
    const through = { databaseUrl: proxy.url(databaseUrl) }
    await using cluster = await startCluster([through, through])
    const ways = [
      { what: 'cut off by a network that swallows everything', cut: () => proxy.swallow() },
      { what: 'cut off by a network that resets connections', cut: () => proxy.reset() },
    ]
    for (const { what, cut } of ways) {
      await endure(cluster, {
        what,
        databaseUrl,
        leave: async () => cut(),
        forMs: CUT_MS,
        comeBack: async () => proxy.pass(),
      })
    }
  })

  test('for 30 s, one process of two: the other takes its work over, and it changes nothing when it comes back', {
    timeout: 180_000,
  }, async () => {
    await using proxy = await startProxy(server.port)
    const databaseUrl = await server.createDatabase()
    await using cluster = await startCluster([
      { databaseUrl: proxy.url(databaseUrl), env: named('cut off') },
      { databaseUrl, env: named('other') },
    ])
    const { receiver } = cluster
    receiver.answer = (_hit, response) => setTimeout(() => response.end(), 150)
    const load = startLoad({
      urls: () => cluster.urls,
      callbackUrl: receiver.url,
      clients: 4,
      delayMs: (n) => 100 * (n % 10),
    })
    await receiver.waitFor(100, undefined, 30_000)

    const cutAt = Date.now()
    proxy.swallow()
    const worker = await oldestWorker(databaseUrl)
    await sleep(1000)
    const held = await heldBy(worker, databaseUrl)
    await until('its work is taken over', async () => (await unfinished(held, databaseUrl)) === 0, 2 * TAKEN_OVER_MS)
    const takenOverMs = Date.now() - cutAt
    const before = await rowsOf(held, databaseUrl)
    await sleep(Math.max(0, form(0, TAKEN_OVER_MS) - takenOverMs))
    const backAt = Date.now()
    proxy.pass()
    await until('it works again', () => runsOf(cluster, backAt) > 0 && sentBy('cut off', cluster, backAt).length > 0)
    const worksAgainMs = Date.now() - backAt
    await load.stop()
    const { jobs, lost, duplicates } = await callbacksOf(load, cluster)
    const lastBegunMs = Math.max(...sentBy('cut off', cluster, 0).filter((at) => at < backAt)) - cutAt
    const repeated = repeatedEvents(cluster)
    const { deliveries, jobs: runs } = held
    tell('one process cut off', {
      ...{ jobs, lost, duplicates, runs: runs.length, attempts: deliveries.length },
      ...{ takenOverMs, lastBegunMs, worksAgainMs },
    })

    expect(runs.length).toBeGreaterThan(0)
    expect(takenOverMs).toBeLessThan(TAKEN_OVER_MS)
    expect(lastBegunMs).toBeLessThan(LEASE_MS)
    expect(await rowsOf(held, databaseUrl)).toEqual(before)
    expect(lost).toBe(0)
    expect(held.events).toEqual(expect.arrayContaining(repeated))
    expectPolite(load.refusals)
    await expectSound(load, databaseUrl)
    for (const { child } of cluster.processes) expect(child.exitCode).toBeNull()
  })
})

async function oldestWorker(databaseUrl: string): Promise<string> {
  const { id } = await ask<{ id: string }>(databaseUrl, 'SELECT id FROM workers ORDER BY started_at LIMIT 1')
  return id
}

interface Held {
  jobs: string[]
  deliveries: string[]
  /** Of the deliveries. */
  events: string[]
}

function heldBy(worker: string, databaseUrl: string): Promise<Held> {
  const own = (column: string, table: string, status: string) =>
    `coalesce((SELECT array_agg(${column} ORDER BY id) FROM ${table} WHERE worker_id = $1 AND status = '${status}'), '{}')`
  return ask<Held>(
    databaseUrl,
    `SELECT ${own('id', 'jobs', 'processing')} AS jobs, ${own('id', 'deliveries', 'delivering')} AS deliveries,
      ${own('event_id', 'deliveries', 'delivering')} AS events`,
    [worker],
  )
}

async function unfinished({ jobs, deliveries }: Held, databaseUrl: string): Promise<number> {
  const { count } = await ask<{ count: number }>(
    databaseUrl,
    `SELECT (SELECT count(*) FROM jobs WHERE id = ANY ($1) AND status <> 'completed')::int
      + (SELECT count(*) FROM deliveries WHERE (id = ANY ($2) OR job_id = ANY ($1)) AND status <> 'delivered')::int AS count`,
    [jobs, deliveries],
  )
  return count
}

/** All that is on record of them. */
function rowsOf({ jobs, deliveries }: Held, databaseUrl: string): Promise<object> {
  return ask(
    databaseUrl,
    `SELECT (SELECT json_agg(j ORDER BY id) FROM jobs j WHERE id = ANY ($1)) AS jobs,
      (SELECT json_agg(d ORDER BY id) FROM deliveries d WHERE id = ANY ($2) OR job_id = ANY ($1)) AS deliveries,
      (SELECT json_agg(a ORDER BY delivery_id, number) FROM attempts a WHERE delivery_id = ANY ($2)) AS attempts`,
    [jobs, deliveries],
  )
}

/** Runs the first process has ended and stored since. */
function runsOf({ processes: [first] }: Cluster, since: number): number {
  const ended = ({ event, outcome, time }: Record<string, unknown>) =>
    event === 'job.run' && outcome === 'completed' && Date.parse(String(time)) > since
  return first?.lines.filter(ended).length ?? 0
}

/** When attempts of a process arrived. */
function sentBy(name: string, { receiver }: Cluster, since: number): number[] {
  return receiver.hits.filter(({ headers, at }) => headers['x-sent-by'] === name && at > since).map(({ at }) => at)
}

function repeatedEvents({ receiver }: Cluster): string[] {
  const ids = Map.groupBy(receiver.hits, ({ headers }) => String(headers['webhook-id']))
  return [...ids].filter(([, hits]) => hits.length > 1).map(([id]) => id)
}
