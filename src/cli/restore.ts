import { chmod, copyFile } from 'node:fs/promises'
import type { Database as Connection } from 'better-sqlite3'
import { readConfig } from '../config.ts'
import { EX_DATAERR, StartError } from '../errors.ts'
import { openFiles } from '../files/open.ts'
import { refuseNewerSchema, takeLock } from '../store/sqlite/open.ts'
import { dropChunkTable, hasChunkTable, warnOfDamaged, writeFiles } from './backup-file.ts'
import {
  assertOpens,
  assertSound,
  countRows,
  embeddedPath,
  keyPath,
  knownKeys,
  openToRead,
  openUnsynced,
} from './embedded.ts'
import { refuseExisting, writeNewFile } from './new-file.ts'
import { counted, megabytes, say, secondsSince, some, warn } from './say.ts'

/**
 * Puts a backup where the configuration says database and files are, if no database is there yet.
 * The database comes last, so that a service never sees one whose files are missing.
 * Returns what there is to say of it.
 * @throws StartError when that cannot be done; no database is there then
 */
export async function restore(file: string): Promise<object> {
  const startedAt = performance.now()
  const { config, secrets } = readConfig()
  const path = embeddedPath(config, 'Use pg_restore: docs/scaling.md')
  await using stack = new AsyncDisposableStack()
  const backup = stack.adopt(openBackup(file), (db) => void db.close())
  const keys = knownKeys(secrets, path)
  if (keys !== null) assertOpens(backup, keys)
  // A journal without its database would be applied to the restored one.
  for (const suffix of ['', '-wal', '-journal']) refuseExisting(path + suffix)
  stack.adopt(takeLock(path), (lock) => void lock.close())
  const target = await openFiles(config, stack)
  const { rows, files } = await writeNewFile(path, async (partial) => {
    await copyFile(file, partial)
    // A copy has the mode of what it was made of.
    await chmod(partial, 0o600)
    return { rows: becomeDatabase(partial), files: await writeFiles(backup, target) }
  })
  say(`${path}: ${counted(rows, 'row')} and ${counted(files.files, 'file')} (${megabytes(files.bytes)}).`)
  say(`Restored from ${file} in ${secondsSince(startedAt)}.`)
  if (keys === null) say(`Put the encryption key back before the start: ${keyPath(path)}, or POSTHORN_ENCRYPTION_KEYS.`)
  // A backup of a service with its files on S3 has none of them.
  const areMissing = files.missing.length > 0 && (files.files > 0 || config.files.kind === 'disk')
  if (areMissing) warn(`${counted(files.missing.length, 'file')} without bytes in the backup: ${some(files.missing)}.`)
  warnOfDamaged(files)
  return { database: path, rows, files: files.files, missing: files.missing, damaged: files.damaged }
}

/** @throws StartError when it is not there, no backup, damaged, or of a newer version */
function openBackup(file: string): Connection {
  const db = openToRead(file)
  try {
    if (!hasChunkTable(db)) throw new StartError(`${file} was not made by posthorn backup.`, EX_DATAERR)
    refuseNewerSchema(db)
    assertSound(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Removes what only a backup has. Returns how many rows there are. */
function becomeDatabase(path: string): number {
  using stack = new DisposableStack()
  const db = stack.adopt(openUnsynced(path), (opened) => opened.close())
  dropChunkTable(db)
  assertSound(db)
  return countRows(db).reduce((sum, { count }) => sum + count, 0)
}
