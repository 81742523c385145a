/**
 * Gathers chunks of any size into parts of `partBytes`; only the last part may be shorter. No data: no part.
 * Chunks are copied, so that a stream of single bytes takes no more memory than one of large chunks.
 */
export async function* inParts(data: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer> {
  let part = Buffer.allocUnsafe(partBytes)
  let filled = 0
  for await (const chunk of data) {
    for (let rest = chunk; rest.length > 0; ) {
      const taken = rest.subarray(0, partBytes - filled)
      part.set(taken, filled)
      filled += taken.length
      rest = rest.subarray(taken.length)
      if (filled === partBytes) {
        yield part
        part = Buffer.allocUnsafe(partBytes)
        filled = 0
      }
    }
  }
  if (filled > 0) yield part.subarray(0, filled)
}
