import { createHash, randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { type FileBytes, FileTooLargeError } from '../../src/files/files.ts'

export interface Subject {
  files: FileBytes
  /** Names of all that lies where the files lie, unfinished uploads included. */
  left(): Promise<string[]>
}

export const MIB = 1024 * 1024
const ID = 'file_0192aa'
const UNLIMITED = Number.MAX_SAFE_INTEGER

/** What every place of files must do. */
export function filesContract(subject: () => Subject): void {
  const save = (data: AsyncIterable<Uint8Array>, maxBytes = UNLIMITED) => subject().files.write(ID, data, maxBytes)
  const load = (range?: { start: number; end: number }): Promise<Readable> => subject().files.read(ID, range)

  test('a file is read as it was written, and its size and hash are told', async () => {
    const bytes = Buffer.from('Zwölf Boxkämpfer')
    expect(await save(inChunks(bytes, 5))).toEqual({ size: bytes.length, sha256: sha256(bytes) })
    expect(await buffer(await load())).toEqual(bytes)
  })

  test('files are found by when they were written', async () => {
    await save(inChunks(Buffer.from('old'), 3))
    expect(await Array.fromAsync(subject().files.writtenBefore(new Date(Date.now() + 60_000)))).toEqual([ID])
    expect(await Array.fromAsync(subject().files.writtenBefore(new Date(Date.now() - 60_000)))).toEqual([])
  })

  test('an empty file is a file', async () => {
    expect(await save(inChunks(Buffer.alloc(0), 1))).toEqual({ size: 0, sha256: sha256(Buffer.alloc(0)) })
    expect(await text(await load())).toBe('')
  })

  test.each([
    ['a byte less than a part', 5 * MIB - 1],
    ['exactly a part', 5 * MIB],
    ['several parts and a rest', 12 * MIB + 7],
  ])('a file of %s keeps every byte in its place', async (_, size) => {
    const bytes = randomBytes(size)
    expect(await save(inChunks(bytes, 64 * 1024 + 1))).toEqual({ size, sha256: sha256(bytes) })
    expect(sha256(await buffer(await load()))).toBe(sha256(bytes))
  })

  test('one chunk may be larger than several parts', async () => {
    const bytes = randomBytes(11 * MIB)
    await save(inChunks(bytes, bytes.length))
    expect(sha256(await buffer(await load()))).toBe(sha256(bytes))
  })

  test.each([
    ['the first byte', 0, 0, '0'],
    ['a part', 3, 6, '3456'],
    ['the last byte', 9, 9, '9'],
    ['all', 0, 9, '0123456789'],
  ])('a range gives %s, its end included', async (_, start, end, expected) => {
    await save(inChunks(Buffer.from('0123456789'), 10))
    expect(await text(await load({ start, end }))).toBe(expected)
  })

  test('a range is read over the border of two parts', async () => {
    const bytes = randomBytes(6 * MIB)
    await save(inChunks(bytes, MIB))
    const range = { start: 5 * MIB - 10, end: 5 * MIB + 9 }
    expect(await buffer(await load(range))).toEqual(bytes.subarray(range.start, range.end + 1))
  })

  test('a file of exactly the limit is taken', async () => {
    expect(await save(inChunks(Buffer.alloc(100), 7), 100)).toMatchObject({ size: 100 })
  })

  test.each([
    ['at once', 101, 100],
    ['in the third part', 20 * MIB, 11 * MIB],
  ])('a file that passes the limit %s leaves nothing behind', async (_, size, maxBytes) => {
    await expect(save(inChunks(Buffer.alloc(size), MIB), maxBytes)).rejects.toBeInstanceOf(FileTooLargeError)
    expect(await subject().left()).toEqual([])
  })

  test('an endless source is let go at the limit', async () => {
    let released = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(MIB)
      } finally {
        released = true
      }
    }
    await expect(save(endless(), 3 * MIB)).rejects.toBeInstanceOf(FileTooLargeError)
    expect(released).toBe(true)
  })

  test.each([
    ['at once', 0],
    ['in the third part', 11 * MIB],
  ])('a source that fails %s is told by its own error and leaves nothing behind', async (_, size) => {
    const lost = new Error('the client hung up')
    await expect(save(failing(size, lost))).rejects.toBe(lost)
    expect(await subject().left()).toEqual([])
  })

  test('a file that is not there is ENOENT, whole or in part', async () => {
    await expect(load()).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(load({ start: 0, end: 1 })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a removed file is gone, and may be removed again', async () => {
    await save(inChunks(Buffer.from('x'), 1))
    await subject().files.remove(ID)
    await subject().files.remove(ID)
    await expect(load()).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await subject().left()).toEqual([])
  })

  test('files of different ids do not touch each other, even written at once', async () => {
    const { files } = subject()
    const ids = Array.from({ length: 20 }, (_, n) => `file_${n}`)
    await Promise.all(ids.map((id) => files.write(id, inChunks(Buffer.from(id), 2), 100)))
    await files.remove('file_0')
    const read = await Promise.all(ids.slice(1).map(async (id) => text(await files.read(id))))
    expect(read).toEqual(ids.slice(1))
  })

  test('a reader may leave in the middle', async () => {
    await save(inChunks(randomBytes(6 * MIB), MIB))
    const stream = await load()
    const closed = new Promise((resolve) => stream.once('close', resolve))
    for await (const _ of stream) break
    await closed
    expect((await buffer(await load({ start: 0, end: 9 }))).length).toBe(10)
  })
}

export async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function* failing(size: number, error: Error): AsyncGenerator<Uint8Array> {
  yield* inChunks(Buffer.alloc(size), MIB)
  throw error
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
