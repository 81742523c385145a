import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeNewFile } from '../../src/cli/new-file.ts'
import { StoreUnavailableError } from '../../src/errors.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-new-file-'))
  path = join(folder, 'new')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a new file gets its name when it is whole', async () => {
  const seen: string[][] = []
  const result = await writeNewFile(path, async (partial) => {
    await writeFile(partial, 'whole')
    seen.push(await readdir(folder))
    return 7
  })
  expect(result).toBe(7)
  expect(seen).toEqual([['new.partial']])
  expect(await readFile(path, 'utf8')).toBe('whole')
  expect(await readdir(folder)).toEqual(['new'])
})

test('a file that came meanwhile is not overwritten', async () => {
  await expect(writeNewFile(path, () => writeFile(path, 'somebody else'))).rejects.toThrow(/exists already/)
  expect(await readFile(path, 'utf8')).toBe('somebody else')
  expect(await readdir(folder)).toEqual(['new'])
})

test('a full disk leaves nothing behind but a clear error', async () => {
  const fill = async (partial: string): Promise<void> => {
    const db = new Database(partial)
    try {
      db.pragma('max_page_count = 4')
      db.exec('CREATE TABLE t (a)')
      db.prepare('INSERT INTO t VALUES (?)').run('x'.repeat(100_000))
    } finally {
      db.close()
    }
  }
  await expect(writeNewFile(path, fill)).rejects.toMatchObject({ exitCode: 74, message: /no room for .*new/ })
  const full = new StoreUnavailableError(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
  await expect(writeNewFile(path, () => Promise.reject(full))).rejects.toMatchObject({ exitCode: 74 })
  expect(await readdir(folder)).toEqual([])
})

test('a mistake of ours stays one', async () => {
  const mistake = new TypeError('oops')
  await expect(writeNewFile(path, () => Promise.reject(mistake))).rejects.toBe(mistake)
  expect(await readdir(folder)).toEqual([])
})
