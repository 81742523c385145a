import type { Readable } from 'node:stream'
import type { Clock } from '../clock.ts'
import { keyRefusal } from '../errors.ts'
import type { AddedFile, FileRow, FileStore, NewKey } from '../store/store.ts'
import { type FileBytes, MAX_FILE_BYTES } from './files.ts'

/** Files as tenants have them: bytes and their row. */
export interface TenantFiles {
  /**
   * The bytes first, then the row: a crash between them leaves bytes nobody refers to, never a row without bytes.
   * @param keyFor The idempotency key, bound to the content: called with its SHA-256 once that is known
   * @throws FileTooLargeError
   */
  save(
    file: NewFile,
    data: AsyncIterable<Uint8Array>,
    keyFor?: (sha256: string) => NewKey | null,
  ): Promise<Extract<AddedFile, { file: unknown }>>
  find(tenantId: string, id: string): Promise<FileRow | null>
  read(file: FileRow, range?: { start: number; end: number }): Promise<Readable>
  /** Removes the bytes of files whose rows are gone. */
  removeBytes(ids: readonly string[]): Promise<void>
  /** Removes bytes that have had no row for an hour: what a crash or a failed removal left behind. Returns how many. */
  sweepBytes(): Promise<number>
}

/** A row comes at once after its bytes, so bytes as old as this without one have lost theirs. */
const ORPHAN_MS = 3_600_000
const CHUNK = 500

export interface NewFile {
  tenantId: string
  /** The job it belongs to and is erased with. */
  jobId: string | null
  contentType: string
}

/** Only what has the form of our ids is ever removed. */
const OURS = /^file_[0-9a-f]{32}$/

export function tenantFiles(store: FileStore, bytes: FileBytes, clock: Clock): TenantFiles {
  return {
    async save(file, data, keyFor = () => null) {
      const id = clock.newId('file')
      const written = await bytes.write(id, data, MAX_FILE_BYTES)
      const row = { id, ...file, ...written, createdAt: clock.now() }
      const added = await store.add(row, keyFor(written.sha256)).catch(async (error: unknown) => {
        await bytes.remove(id).catch(() => {})
        throw error
      })
      if (added.kind !== 'created') await bytes.remove(id)
      if (added.kind === 'key_reused' || added.kind === 'key_busy') throw keyRefusal(added.kind)
      return added
    },
    find: (tenantId, id) => store.get(tenantId, id),
    read: (file, range) => bytes.read(file.id, range),
    removeBytes: async (ids) => {
      await Promise.all(ids.map((id) => bytes.remove(id)))
    },
    async sweepBytes() {
      let removed = 0
      const sweep = async (ids: string[]): Promise<void> => {
        const orphans = await store.unknown(ids)
        await Promise.all(orphans.map((id) => bytes.remove(id)))
        removed += orphans.length
      }
      let chunk: string[] = []
      for await (const id of bytes.writtenBefore(new Date(clock.now() - ORPHAN_MS))) {
        if (!OURS.test(id) || chunk.push(id) < CHUNK) continue
        await sweep(chunk)
        chunk = []
      }
      await sweep(chunk)
      return removed
    },
  }
}
