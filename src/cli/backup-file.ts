import type { Readable } from 'node:stream'
import type { Database as Connection } from 'better-sqlite3'
import { type FileBytes, MAX_FILE_BYTES } from '../files/files.ts'
import { measured } from '../files/measured.ts'
import { inParts } from '../files/parts.ts'
import { counted, some, warn } from './say.ts'

// A backup is a copy of the database with one table more, in which the bytes of the files lie.

const PART_BYTES = 1024 * 1024

export interface CopiedFiles {
  files: number
  bytes: number
  /** Ids of rows without bytes. */
  missing: string[]
  /** Ids of files whose bytes are not those that were once written. They are copied as they are. */
  damaged: string[]
}

export const NO_FILES: CopiedFiles = { files: 0, bytes: 0, missing: [], damaged: [] }

/** Copies the bytes of all files that the backup has rows of into it. */
export async function addFiles(backup: Connection, source: FileBytes): Promise<CopiedFiles> {
  const add = backup.prepare<[string, number, Buffer]>('INSERT INTO backup_chunks VALUES (?, ?, ?)')
  const copied = structuredClone(NO_FILES)
  for (const { id, sha256 } of fileRows(backup)) {
    const data = await readIfThere(source, id)
    if (data === null) {
      copied.missing.push(id)
      continue
    }
    const { chunks, written } = measured(data, MAX_FILE_BYTES)
    let parts = 0
    for await (const part of inParts(chunks, PART_BYTES)) add.run(id, parts++, part)
    // An empty file is one, too.
    if (parts === 0) add.run(id, 0, Buffer.alloc(0))
    count(copied, id, sha256, written())
  }
  return copied
}

/** Writes the files that are in the backup. What an earlier try has left of them is replaced. */
export async function writeFiles(backup: Connection, target: FileBytes): Promise<CopiedFiles> {
  const part = backup.prepare<[string, number], Buffer>(
    'SELECT bytes FROM backup_chunks WHERE file_id = ? AND part = ?',
  )
  part.pluck()
  async function* bytesOf(id: string): AsyncGenerator<Buffer> {
    for (let n = 0, bytes = part.get(id, n); bytes !== undefined; bytes = part.get(id, ++n)) yield bytes
  }
  const copied = structuredClone(NO_FILES)
  for (const { id, sha256 } of fileRows(backup)) {
    if (part.get(id, 0) === undefined) {
      copied.missing.push(id)
      continue
    }
    await target.remove(id)
    count(copied, id, sha256, await target.write(id, bytesOf(id), MAX_FILE_BYTES))
  }
  return copied
}

export function warnOfDamaged({ damaged }: CopiedFiles): void {
  if (damaged.length === 0) return
  warn(`${counted(damaged.length, 'file')} with other bytes than were written: ${some(damaged)}.`)
}

export function makeChunkTable(db: Connection): void {
  db.exec('CREATE TABLE backup_chunks (file_id TEXT, part INTEGER, bytes BLOB, PRIMARY KEY (file_id, part))')
}

export function hasChunkTable(db: Connection): boolean {
  return db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'backup_chunks'").get() !== undefined
}

/** Makes of a copy of a backup the database that it was made of. */
export function dropChunkTable(db: Connection): void {
  db.exec('DROP TABLE backup_chunks')
  db.pragma('incremental_vacuum')
}

interface FileRow {
  id: string
  sha256: string
}

/** One by one, so that a million of them take no memory and the connection is free in between. */
function* fileRows(db: Connection): Generator<FileRow> {
  const next = db.prepare<[string], FileRow>('SELECT id, sha256 FROM files WHERE id > ? ORDER BY id LIMIT 1')
  for (let row = next.get(''); row !== undefined; row = next.get(row.id)) yield row
}

async function readIfThere(source: FileBytes, id: string): Promise<Readable | null> {
  try {
    return await source.read(id)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function count(copied: CopiedFiles, id: string, sha256: string, written: { size: number; sha256: string }): void {
  copied.files += 1
  copied.bytes += written.size
  if (written.sha256 !== sha256) copied.damaged.push(id)
}
