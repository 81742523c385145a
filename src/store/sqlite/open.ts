import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database, { type Database as Connection } from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { EX_CANTCREAT, EX_UNAVAILABLE, StartError } from '../../errors.ts'

const MIGRATIONS = join(import.meta.dirname, '../../../drizzle/sqlite')
const FULL = 2

/** The path that keeps a database in memory. */
export const MEMORY = ':memory:'

export interface OpenDatabase {
  db: Connection
  close(): void
}

/**
 * Opens the database for its only writer, makes it when it is not there, and brings its schema up to date.
 * @throws StartError when another process has it, or it cannot be created or written.
 */
export function openDatabase(path: string): OpenDatabase {
  if (path === MEMORY) {
    const db = new Database(MEMORY)
    prepare(db)
    return { db, close: () => db.close() }
  }
  const lock = takeLock(path)
  try {
    const db = new Database(path)
    prepare(db)
    return {
      db,
      close: () => {
        db.close()
        lock.close()
      },
    }
  } catch (error) {
    lock.close()
    throw cannotOpen(path, error)
  }
}

/** A second writer is kept out by an exclusive lock on a small database beside it; the kernel frees it when we die. */
export function takeLock(path: string): Connection {
  let lock: Connection | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    lock = new Database(`${path}.lock`, { timeout: 0 })
    lock.pragma('journal_mode = DELETE')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock?.close()
    if ((error as { code?: string }).code?.startsWith('SQLITE_BUSY')) {
      throw new StartError(
        `Another Posthorn process is using ${path}. The embedded database belongs to one process; for several, use PostgreSQL.`,
        EX_UNAVAILABLE,
        error,
      )
    }
    throw cannotOpen(path, error)
  }
}

function cannotOpen(path: string, error: unknown): StartError {
  if (error instanceof StartError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new StartError(
    `The database ${path} cannot be opened for writing: ${reason}. Check that the folder exists, is writable and has room.`,
    EX_CANTCREAT,
    error,
  )
}

function prepare(db: Connection): void {
  // Must come before the first table; afterwards it would need a VACUUM.
  db.pragma('auto_vacuum = INCREMENTAL')
  db.pragma('journal_mode = WAL')
  // In KiB, for the pages of a transaction: what is read again is in the kernel's cache.
  db.pragma('cache_size = -8192')
  refuseNewerSchema(db)
  migrate(drizzle(db), { migrationsFolder: MIGRATIONS })
  assertDurable(db)
}

/**
 * A 202 must survive a power cut: every commit waits for the disk. better-sqlite3 may fall back to NORMAL
 * by itself at the first write in WAL mode, so the setting is read back after one.
 */
function assertDurable(db: Connection): void {
  db.pragma('synchronous = FULL')
  db.pragma(`user_version = ${Number(db.pragma('user_version', { simple: true })) + 1}`)
  const actual = db.pragma('synchronous', { simple: true })
  if (actual !== FULL) throw new StartError(`SQLite runs with synchronous=${actual}, not FULL`, EX_UNAVAILABLE)
}

/** @throws StartError when a newer version has changed the schema */
export function refuseNewerSchema(db: Connection): void {
  const known = readMigrationFiles({ migrationsFolder: MIGRATIONS }).map((migration) => migration.folderMillis)
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get()
  if (table === undefined) return
  const applied = db.prepare('SELECT max(created_at) FROM __drizzle_migrations').pluck().get() as number | null
  if (applied !== null && applied > Math.max(...known)) {
    throw new StartError('The database was written by a newer version of Posthorn; start that version.', EX_UNAVAILABLE)
  }
}
