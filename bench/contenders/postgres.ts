import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type PostgresServer, startPostgresServer } from '../../test/support/postgres-server.ts'
import { childrenOf, cpuUs } from '../proc.ts'
import type { Contender, Counters, Stored } from './contender.ts'
import { readStored } from './read-stored.ts'
import { type RunDatabase, type ServiceOptions, service } from './service.ts'

/** Sessions hand in what they have counted once a second. */
const FLUSH_MS = 1200
/** Of the run's database; the log is the server's, which has nobody else. */
const COUNTERS = `
  SELECT (tup_inserted + tup_updated + tup_deleted)::float8 AS "rowWrites", xact_commit::float8 AS commits,
    (SELECT sum(fsyncs)::float8 FROM pg_stat_io WHERE object = 'wal') AS syncs
    FROM pg_stat_database WHERE datname = current_database()`

/** One server for all runs of the harness, started when the first needs it; each run gets a database of its own. */
export class PostgresForRuns implements AsyncDisposable {
  #server: Promise<PostgresServer> | null = null

  /** The service on PostgreSQL as it comes, fsync included. */
  contender(options?: ServiceOptions): Contender {
    return service('postgres', () => this.#newDatabase(), options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#server)?.[Symbol.asyncDispose]()
  }

  async #newDatabase(): Promise<RunDatabase> {
    this.#server ??= startPostgresServer({ durable: true })
    const server = await this.#server
    const url = await server.createDatabase()
    const name = decodeURIComponent(new URL(url).pathname.slice(1))
    const value = (database: string, sql: string) => queryOf<{ value: string }>(database, sql)
    const [pidFile] = await value(url, "SELECT pg_read_file('postmaster.pid') AS value")
    const postmaster = Number.parseInt(pidFile?.value ?? '', 10)
    return {
      url,
      read: (since) => queryOf<Stored>(url, readStored(since)),
      fill: async (fill) => {
        for (const sql of fill((count) => `generate_series(0, ${count - 1}) AS g(i)`, Date.now()))
          await queryOf(url, sql)
        // As on a server that has had the time, and not while something is measured.
        for (const sql of ['VACUUM (ANALYZE)', 'CHECKPOINT']) await queryOf(url, sql)
      },
      cpuUs: async () => {
        const pids = [postmaster, ...(await childrenOf(postmaster))]
        return (await Promise.all(pids.map((pid) => cpuUs(pid, { withChildren: true })))).reduce((a, b) => a + b, 0)
      },
      bytes: async () => Number((await value(url, 'SELECT pg_database_size(current_database()) AS value'))[0]?.value),
      counting: { nodeArgs: [], under: [], env: {} },
      counters: async () => {
        await delay(FLUSH_MS)
        return (await queryOf<Counters>(url, COUNTERS))[0] as Counters
      },
      [Symbol.asyncDispose]: async () => {
        await queryOf(server.url(), `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`)
      },
    }
  }
}

async function queryOf<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end()
  }
}
