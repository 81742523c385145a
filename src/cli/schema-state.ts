import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type pg from 'pg'
import { openToRead } from './embedded.ts'

const MIGRATIONS = join(import.meta.dirname, '../../drizzle')

/** How far the schema of a database is. */
export interface SchemaState {
  applied: number
  /** That this version has. */
  known: number
  /** Changed by a version after this one. */
  newer: boolean
}

/** One that reads rows of what is asked, whatever database it is. */
export type Ask = <Row>(sql: string) => Row[]

/**
 * Reads a database file without changing anything. Who opens one that nobody has open makes files beside it, so that
 * one is opened as if on a medium that cannot be written.
 */
export async function readingEmbedded<T>(path: string, read: (ask: Ask) => T): Promise<T> {
  if (existsSync(`${path}-wal`)) {
    const db = openToRead(path)
    try {
      return read(<Row>(sql: string) => db.prepare(sql).all() as Row[])
    } finally {
      db.close()
    }
  }
  const { DatabaseSync } = await import('node:sqlite')
  const url = pathToFileURL(resolve(path))
  url.searchParams.set('immutable', '1')
  const db = new DatabaseSync(url, { readOnly: true })
  try {
    return read(<Row>(sql: string) => db.prepare(sql).all() as Row[])
  } finally {
    db.close()
  }
}

export function embeddedState(ask: Ask): SchemaState {
  const there = ask<object>("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").length > 0
  const rows = there ? ask<{ at: number }>('SELECT created_at AS at FROM __drizzle_migrations') : []
  return stateOf('sqlite', rows)
}

export async function postgresState(client: pg.Client): Promise<SchemaState> {
  const { rows: tables } = await client.query("SELECT to_regclass('drizzle.__drizzle_migrations') AS name")
  if (tables[0]?.name == null) return stateOf('postgres', [])
  const { rows } = await client.query<{ at: number }>('SELECT created_at AS at FROM drizzle.__drizzle_migrations')
  return stateOf('postgres', rows)
}

function stateOf(dialect: 'sqlite' | 'postgres', rows: readonly { at: number | string }[]): SchemaState {
  const known = readMigrationFiles({ migrationsFolder: join(MIGRATIONS, dialect) })
  const newest = Math.max(...known.map(({ folderMillis }) => folderMillis))
  return { applied: rows.length, known: known.length, newer: rows.some(({ at }) => Number(at) > newest) }
}
