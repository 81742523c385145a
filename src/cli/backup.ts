import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Database as Connection } from 'better-sqlite3'
import { type Config, readConfig } from '../config.ts'
import { EX_DATAERR, EX_IOERR, StartError } from '../errors.ts'
import { diskFiles } from '../files/disk.ts'
import { addFiles, type CopiedFiles, makeChunkTable, NO_FILES, warnOfDamaged } from './backup-file.ts'
import { assertSound, countRows, embeddedPath, keyPath, openToRead, openUnsynced } from './embedded.ts'
import { writeNewFile } from './new-file.ts'
import { counted, megabytes, say, secondsSince, some, warn } from './say.ts'

/**
 * Copies the embedded database and its files into one file that does not exist yet, also while the service runs.
 * The database is copied in one read transaction, and the files are those it names: both are of the same moment.
 * Returns what there is to say of it.
 * @throws StartError when that cannot be done; no file is there then
 */
export async function backup(file: string): Promise<object> {
  const startedAt = performance.now()
  const { config, secrets } = readConfig()
  const path = embeddedPath(config, 'Use pg_dump: docs/scaling.md')
  using stack = new DisposableStack()
  const live = stack.adopt(openToRead(path), (db) => db.close())
  const { rows, files, expired } = await writeNewFile(file, async (partial) => {
    await refuseWithoutRoom(file, live, config)
    live.prepare('VACUUM INTO ?').run(partial)
    return fillUp(partial, config, live)
  })
  const { size } = await stat(file)
  say(`${file}: ${counted(rows, 'row')} and ${counted(files.files, 'file')} (${megabytes(files.bytes)}).`)
  say(`${megabytes(size)} in all, made in ${secondsSince(startedAt)}.`)
  if (config.files.kind === 's3') say('Files are on S3 and not in it: keep versions of the bucket, or copy it as well.')
  const key = secrets.encryptionKeys === null ? keyPath(path) : 'POSTHORN_ENCRYPTION_KEYS'
  say(`The encryption key is not in it, and it is of no use without: keep ${key} elsewhere.`)
  if (expired > 0) say(`Left out: ${counted(expired, 'file')} that expired meanwhile.`)
  if (files.missing.length > 0)
    warn(`${counted(files.missing.length, 'file')} without bytes on the disk: ${some(files.missing)}.`)
  warnOfDamaged(files)
  return { file, bytes: size, rows, files: files.files, missing: files.missing, damaged: files.damaged }
}

interface Filled {
  rows: number
  files: CopiedFiles
  /** How many files the service removed, with their rows, after the database was copied. */
  expired: number
}

/** Adds the bytes of the files to the copy of the database that lies at `path`, and checks it all. */
async function fillUp(path: string, { files: place }: Config, live: Connection): Promise<Filled> {
  using stack = new DisposableStack()
  const db = stack.adopt(openUnsynced(path), (opened) => opened.close())
  const rows = countRows(db).reduce((sum, { count }) => sum + count, 0)
  makeChunkTable(db)
  const files = place.kind === 's3' ? NO_FILES : await addFiles(db, diskFiles(place.folder))
  const isThere = live.prepare('SELECT 1 FROM files WHERE id = ?')
  const missing = files.missing.filter((id) => isThere.get(id) !== undefined)
  if (place.kind === 'disk' && files.files === 0 && missing.length > 0) throw wrongFolder(place.folder)
  assertSound(db)
  return { rows, files: { ...files, missing }, expired: files.missing.length - missing.length }
}

/** A full disk would stop the service from accepting jobs, so it is not tried. */
async function refuseWithoutRoom(file: string, live: Connection, config: Config): Promise<void> {
  const database =
    Number(live.pragma('page_count', { simple: true })) * Number(live.pragma('page_size', { simple: true }))
  const files = live.prepare<[], number>('SELECT coalesce(sum(size), 0) FROM files').pluck().get() ?? 0
  const needed = database + (config.files.kind === 'disk' ? files : 0)
  const { bavail, bsize } = await statfs(dirname(file))
  if (needed <= bavail * bsize) return
  const text = `There is no room for ${file}: it takes up to ${megabytes(needed)}, and ${megabytes(bavail * bsize)} are free.`
  throw new StartError(text, EX_IOERR)
}

function wrongFolder(folder: string): StartError {
  const text = `None of the files that the database names is in ${folder}. Does POSTHORN_FILES say where they are?`
  return new StartError(text, EX_DATAERR)
}
