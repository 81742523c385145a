import { createHash } from 'node:crypto'
import { FileTooLargeError, type WrittenFile } from './files.ts'

/**
 * Passes data on, and knows after the last chunk what it was.
 * @throws FileTooLargeError out of `chunks`, before the chunk that passes `maxBytes`
 */
export function measured(data: AsyncIterable<Uint8Array>, maxBytes: number): Measured {
  const hash = createHash('sha256')
  let size = 0
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of data) {
      size += chunk.length
      if (size > maxBytes) throw new FileTooLargeError(maxBytes)
      hash.update(chunk)
      yield chunk
    }
  }
  return { chunks: chunks(), written: () => ({ size, sha256: hash.digest('hex') }) }
}

export interface Measured {
  chunks: AsyncIterable<Uint8Array>
  /** To be asked once, after the last chunk. */
  written(): WrittenFile
}
