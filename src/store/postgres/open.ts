import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { Logger, runMigrations } from 'graphile-worker'
import type pg from 'pg'
import { EX_UNAVAILABLE, StartError } from '../../errors.ts'
import { connect, type Database } from './database.ts'
import { rebaseEvents } from './pull.ts'

const MIGRATIONS = join(import.meta.dirname, '../../../drizzle/postgres')
const OLDEST_SERVER = 140_000
/** The lock under which schemas are changed and first starts are made. */
const ALONE = 7_226_771

/**
 * Connects, and brings the schema up to date: ours, and the one of graphile-worker.
 * @throws StartError when the server cannot be reached, is too old, or has been used by a newer version.
 */
export async function openDatabase(url: string, poolSize: number): Promise<Database> {
  const db = connect(url, poolSize)
  try {
    await alone(db, async (client) => {
      const orm = drizzle(client)
      await refuseOldServer(orm)
      await refuseNewerSchema(orm)
      await migrate(orm, { migrationsFolder: MIGRATIONS })
      await client.query(rebaseEvents)
      await runMigrations({ pgPool: db.pool, logger: SILENT })
    })
    return db
  } catch (error) {
    await db.close()
    throw error instanceof StartError ? error : cannotOpen(url, error)
  }
}

const SILENT = new Logger(() => () => {})

/** Runs `work` under a lock that one process of the cluster has; the others wait for it. */
export async function alone<T>(db: Database, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = db.dedicated()
  // What it was told by a statement is thrown there; without a listener it would end the process.
  client.on('error', () => {})
  await client.connect()
  try {
    // Whoever comes first may have much to do.
    await client.query('SET lock_timeout = 0; SET statement_timeout = 0')
    await client.query('SELECT pg_advisory_lock($1)', [ALONE])
    return await work(client)
  } finally {
    await client.end()
  }
}

async function refuseOldServer(orm: NodePgDatabase): Promise<void> {
  const { rows } = await orm.execute<{ version: string }>(sql`SELECT current_setting('server_version_num') AS version`)
  if (Number(rows[0]?.version) < OLDEST_SERVER) {
    throw new StartError('Posthorn needs PostgreSQL 14 or newer.', EX_UNAVAILABLE)
  }
}

async function refuseNewerSchema(orm: NodePgDatabase): Promise<void> {
  const known = readMigrationFiles({ migrationsFolder: MIGRATIONS }).map((migration) => migration.folderMillis)
  const { rows: tables } = await orm.execute(sql`SELECT to_regclass('drizzle.__drizzle_migrations') AS name`)
  if (tables[0]?.name == null) return
  const { rows } = await orm.execute<{ newest: number | null }>(
    sql`SELECT max(created_at) AS newest FROM drizzle.__drizzle_migrations`,
  )
  if ((rows[0]?.newest ?? 0) > Math.max(...known)) {
    throw new StartError('The database was used by a newer version of Posthorn; start that version.', EX_UNAVAILABLE)
  }
}

/** The URL is told without its password. */
function cannotOpen(url: string, error: unknown): StartError {
  const { host, pathname } = new URL(url)
  const reason = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error)
  return new StartError(`The PostgreSQL database ${host}${pathname} cannot be used: ${reason}`, EX_UNAVAILABLE, error)
}
