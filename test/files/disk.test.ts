import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe } from 'vitest'
import { diskFiles } from '../../src/files/disk.ts'
import { filesContract } from './files.contract.ts'

describe('files on disk', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'posthorn-files-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  filesContract(() => ({
    files: diskFiles(folder),
    left: async () => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
    },
  }))
})
