import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StoreUnavailableError } from '../errors.ts'
import { type FileBytes, FileTooLargeError, type WrittenFile } from './files.ts'

/** What a disk says that does not take a write now, but may later. */
const DISK_FAULTS = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE'])

/** Files in a folder of this machine, spread over 256 subfolders. */
export function diskFiles(folder: string): FileBytes {
  const pathOf = (id: string): string => join(folder, id.slice(-2), id)
  return {
    async write(id, data, maxBytes) {
      const path = pathOf(id)
      const partial = `${path}.partial`
      const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      if (made !== undefined) await syncFolder(dirname(made))
      const file = await open(partial, 'wx', 0o600)
      try {
        const written = await copy(data, file, maxBytes)
        await file.sync()
        await file.close()
        await rename(partial, path)
        await syncFolder(dirname(path))
        return written
      } catch (error) {
        await file.close().catch(() => {})
        await rm(partial, { force: true })
        throw DISK_FAULTS.has((error as NodeJS.ErrnoException).code ?? '') ? new StoreUnavailableError(error) : error
      }
    },
    async read(id, range) {
      const stream = createReadStream(pathOf(id), range)
      await once(stream, 'open')
      return stream
    },
    async remove(id) {
      await rm(pathOf(id), { force: true })
      await rm(`${pathOf(id)}.partial`, { force: true })
    },
    async *writtenBefore(time) {
      for (const subfolder of await readdir(folder).catch(() => [])) {
        for (const name of await readdir(join(folder, subfolder)).catch(() => [])) {
          const found = await stat(join(folder, subfolder, name)).catch(() => null)
          if (found !== null && found.mtime < time) yield name.replace(/\.partial$/, '')
        }
      }
    },
  }
}

async function copy(data: AsyncIterable<Uint8Array>, file: FileHandle, maxBytes: number): Promise<WrittenFile> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of data) {
    size += chunk.length
    if (size > maxBytes) throw new FileTooLargeError(maxBytes)
    hash.update(chunk)
    await file.writeFile(chunk)
  }
  return { size, sha256: hash.digest('hex') }
}

/** A new name, of a file or folder, is durable only when the folder that holds it is (fsync(2)). */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync()
  await folder.close()
}
