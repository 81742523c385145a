import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { diskFiles } from '../../src/files/disk.ts'
import { tenantFiles } from '../../src/files/tenant-files.ts'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'

test('bytes without a row go after an hour, all others stay', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-sweep-'))
  await using store = openSqliteStore(MEMORY)
  const clock = systemClock()
  const bytes = diskFiles(folder)
  const files = tenantFiles(store.files, bytes, clock)
  const content = () => Readable.from([Buffer.from('x')])
  const { file } = await files.save({ tenantId: 'ten_1', jobId: null, contentType: 'a/b' }, content())
  const pathOf = (id: string) => join(folder, id.slice(-2), id)
  const orphan = clock.newId('file')
  const fresh = clock.newId('file')
  const cutOff = `${clock.newId('file')}`
  for (const id of [orphan, fresh, cutOff]) await bytes.write(id, content(), 10)
  await rm(pathOf(cutOff))
  await writeFile(`${pathOf(cutOff)}.partial`, 'half')
  await writeFile(join(folder, 'notes.txt'), 'not ours')
  const old = new Date(Date.now() - 2 * 3_600_000)
  for (const path of [pathOf(file.id), pathOf(orphan), `${pathOf(cutOff)}.partial`, join(folder, 'notes.txt')]) {
    await utimes(path, old, old)
  }
  expect(await files.sweepBytes()).toBe(2)
  const left = (await readdir(folder, { recursive: true })).map((path) => path.split('/').at(-1))
  expect(left.filter((name) => name?.startsWith('file_')).sort()).toEqual([file.id, fresh].sort())
  expect(left).toContain('notes.txt')
  await rm(folder, { recursive: true })
})
