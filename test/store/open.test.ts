import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../../src/store/sqlite/open.ts'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-open-'))
  path = join(folder, 'posthorn.db')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('every commit waits for the disk, also after the first write', () => {
  const { db, close } = openDatabase(path)
  db.exec('CREATE TABLE t (a)')
  expect(db.pragma('synchronous', { simple: true })).toBe(2)
  expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
  expect(db.pragma('auto_vacuum', { simple: true })).toBe(2)
  close()
})

test('a database that is in use is not opened a second time, and can be when it is free', () => {
  const first = openDatabase(path)
  expect(() => openDatabase(path)).toThrow(expect.objectContaining({ exitCode: 69 }))
  expect(() => openDatabase(path)).toThrow(/Another Posthorn process/)
  first.close()
  openDatabase(path).close()
})

test('a file that is no database is refused and left as it is', async () => {
  const text = 'my precious notes, '.repeat(100)
  await writeFile(path, text)
  expect(() => openDatabase(path)).toThrow(expect.objectContaining({ exitCode: 73 }))
  expect(readFileSync(path, 'utf8')).toBe(text)
})

test('a folder that cannot be made is a clear error', () => {
  expect(() => openDatabase('/dev/null/posthorn.db')).toThrow(/cannot be opened for writing/)
})

test('a database of a newer version is refused and left as it is', () => {
  openDatabase(path).close()
  const db = new Database(path)
  db.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run('newer', Date.UTC(2100, 0, 1))
  db.close()
  expect(() => openDatabase(path)).toThrow(/newer version/)
})
