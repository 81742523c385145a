import type { NewKey } from './job-store.ts'

export interface FileRow {
  id: string
  tenantId: string
  jobId: string | null
  /** Bytes. */
  size: number
  sha256: string
  contentType: string
  createdAt: number
}

export type AddedFile =
  | { kind: 'created'; file: FileRow }
  /** The key was used for the same upload before: the file it made. */
  | { kind: 'repeated'; file: FileRow }
  | { kind: 'key_reused' }
  | { kind: 'key_busy' }

export interface FileStore {
  /** The file and its idempotency key, at once. */
  add(file: FileRow, key: NewKey | null): Promise<AddedFile>
  /** @param tenantId Null for admins */
  get(tenantId: string | null, id: string): Promise<FileRow | null>
  /** Those of the ids that are of no file. */
  unknown(ids: readonly string[]): Promise<string[]>
  /** Removes uploads from before that no job refers to; returns their ids. */
  removeOrphans(uploadedBefore: number, limit: number): Promise<string[]>
}
