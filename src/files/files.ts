import type { Readable } from 'node:stream'

/** Where the bytes of files lie. Rows about them are the store's. */
export interface FileBytes {
  /**
   * Writes a new file, durably: when this resolves, the bytes survive a power cut.
   * @throws FileTooLargeError after `maxBytes`; nothing is left behind then
   */
  write(id: string, data: AsyncIterable<Uint8Array>, maxBytes: number): Promise<WrittenFile>
  /** Reads a part; `end` is inclusive. Throws ENOENT when there is no such file. */
  read(id: string, range?: { start: number; end: number }): Promise<Readable>
  /** Does nothing when it is not there. */
  remove(id: string): Promise<void>
  /** Ids of all files written before, and of what is left of writes that were cut off; in no order. */
  writtenBefore(time: Date): AsyncIterable<string>
}

export interface WrittenFile {
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
}

/** The limit of an upload and of what a handler saves (CONTRACT §3). */
export const MAX_FILE_BYTES = 100 * 1024 * 1024

export class FileTooLargeError extends Error {
  readonly maxBytes: number
  constructor(maxBytes: number) {
    super(`The file is larger than ${maxBytes} bytes.`)
    this.name = 'FileTooLargeError'
    this.maxBytes = maxBytes
  }
}
