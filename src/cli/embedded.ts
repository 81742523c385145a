import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database, { type Database as Connection } from 'better-sqlite3'
import type { Config, Secrets } from '../config.ts'
import { signingSecretPlace } from '../delivery/signing-keys.ts'
import { EX_CONFIG, EX_DATAERR, EX_NOINPUT, StartError } from '../errors.ts'
import { createSealer, keyFile } from '../secrets.ts'

/** Path of the embedded database. @throws StartError that says what to use `instead`, on PostgreSQL */
export function embeddedPath({ database }: Config, instead: string): string {
  if (database.kind === 'sqlite') return database.path
  throw new StartError(`POSTHORN_DATABASE_URL is PostgreSQL, this is for the embedded database. ${instead}`, EX_CONFIG)
}

/** Where the encryption key lies when POSTHORN_ENCRYPTION_KEYS is not set. */
export function keyPath(databasePath: string): string {
  return join(dirname(databasePath), 'encryption.key')
}

/** The keys that the service would use; null when there are none yet. */
export function knownKeys(secrets: Secrets, databasePath: string): ReadonlyMap<string, Buffer> | null {
  return secrets.encryptionKeys ?? (existsSync(keyPath(databasePath)) ? keyFile(dirname(databasePath)) : null)
}

/** Opens a database that must be there, to read only. @throws StartError */
export function openToRead(path: string): Connection {
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true })
    // The file is not looked into before the first query.
    db.pragma('schema_version')
    return db
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (/^SQLITE_(NOTADB|CORRUPT)/.test(code))
      throw new StartError(`${path} is no database: ${message}.`, EX_DATAERR, error)
    throw new StartError(`${path} cannot be read: ${message}.`, EX_NOINPUT, error)
  }
}

/** Opens a file to write what is synced only when it is whole, and worth nothing until then. */
export function openUnsynced(path: string): Connection {
  const db = new Database(path)
  db.pragma('journal_mode = MEMORY')
  db.pragma('synchronous = OFF')
  return db
}

/** @throws StartError when a secret in the database was sealed with none of the keys */
export function assertOpens(db: Connection, keys: ReadonlyMap<string, Buffer>): void {
  const sealer = createSealer(keys)
  const tenants = db.prepare<[], { id: string; sealed: string }>('SELECT id, signing_secret AS sealed FROM tenants')
  for (const { id, sealed } of tenants.all()) {
    try {
      sealer.open(sealed, signingSecretPlace(id))
    } catch (error) {
      const text = 'The secrets in it cannot be opened with this encryption key, so nothing was done. Use the key they'
      throw new StartError(
        `${text} were sealed with: as encryption.key, or in POSTHORN_ENCRYPTION_KEYS.`,
        EX_CONFIG,
        error,
      )
    }
  }
}

/** @throws StartError when the file is damaged */
export function assertSound(db: Connection): void {
  const found = db.pragma('integrity_check', { simple: true })
  if (found !== 'ok') throw new StartError(`${db.name} is damaged: ${String(found)}`, EX_DATAERR)
}

export interface TableCount {
  table: string
  count: number
}

/** How many rows each table of Posthorn has; tables of SQLite, of the migrations and of backups are not counted. */
export function countRows(db: Connection): TableCount[] {
  const tables = db
    .prepare<[], string>(
      `SELECT name FROM sqlite_master WHERE type = 'table'
        AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '__*' AND name NOT GLOB 'backup_*' ORDER BY name`,
    )
    .pluck()
    .all() as string[]
  const count = (table: string) => db.prepare(`SELECT count(*) FROM "${table}"`).pluck().get() as number
  return tables.map((table) => ({ table, count: count(table) }))
}
