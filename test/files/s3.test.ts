import { buffer } from 'node:stream/consumers'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, UploadPartCommand } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { EX_CONFIG, EX_UNAVAILABLE, StoreUnavailableError } from '../../src/errors.ts'
import type { S3Place } from '../../src/files/place.ts'
import { type S3Files, s3Files } from '../../src/files/s3.ts'
import { filesContract, inChunks, MIB } from './files.contract.ts'
import { BUCKET, type S3Server, startBrokenS3, startS3, stubAwsVariables } from './s3-server.ts'

const PLACE: S3Place = { kind: 's3', bucket: BUCKET, prefix: 'deep/down/' }
const TIMEOUTS = { connectMs: 200, answerMs: 200, idleMs: 200 }

beforeAll(stubAwsVariables)
afterAll(() => {
  vi.unstubAllEnvs()
})

describe('files on S3', () => {
  let server: S3Server
  let files: S3Files

  beforeEach(async () => {
    server = await startS3()
    files = s3Files(PLACE, { endpoint: server.endpoint })
  })
  afterEach(async () => {
    await files[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const objects = async (): Promise<string[]> => {
    const { Contents = [] } = await server.inspector.send(new ListObjectsV2Command({ Bucket: BUCKET }))
    return Contents.map(({ Key }) => String(Key))
  }
  /** An upload is open as long as S3 still takes a part for it. */
  const openUploads = async (): Promise<string[]> => {
    const seen = server.requests.map((request) => /^PUT \/[^/]+\/(.+)\?.*uploadId=([^&]+)/.exec(request))
    const ids = new Map(seen.flatMap((match) => (match ? [[String(match[2]), String(match[1])]] : [])))
    const open = [...ids].map(async ([UploadId, Key]) => {
      const part = { Bucket: BUCKET, Key, UploadId, PartNumber: 1, Body: 'x' }
      return server.inspector.send(new UploadPartCommand(part)).then(
        () => [UploadId],
        (error: Error) => (error.name === 'NoSuchUpload' ? [] : Promise.reject(error)),
      )
    })
    return (await Promise.all(open)).flat()
  }

  filesContract(() => ({ files, left: async () => [...(await objects()), ...(await openUploads())] }))

  test('a file is the object of its id below the prefix', async () => {
    await files.write('file_1', inChunks(Buffer.from('bytes'), 5), 5)
    const { Body } = await server.inspector.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'deep/down/file_1' }))
    expect(await Body?.transformToString()).toBe('bytes')
  })

  test('a small file is one request; a large one goes up in parts while it is read', async () => {
    await files.write('small', inChunks(Buffer.alloc(MIB), MIB), MIB)
    expect(server.requests.filter((request) => request.includes('small'))).toHaveLength(1)
    let seenBeforeEnd = 0
    async function* large(): AsyncGenerator<Uint8Array> {
      yield* inChunks(Buffer.alloc(11 * MIB), MIB)
      seenBeforeEnd = server.requests.filter((request) => request.includes('partNumber')).length
    }
    await files.write('large', large(), 11 * MIB)
    expect(seenBeforeEnd).toBe(2)
    expect(server.requests.filter((request) => request.includes('partNumber'))).toHaveLength(3)
  })

  test('the checksums of parts are announced, so that S3 keeps them', async () => {
    await files.write('large', inChunks(Buffer.alloc(6 * MIB), MIB), 6 * MIB)
    const object = { Bucket: BUCKET, Key: 'deep/down/large', ChecksumMode: 'ENABLED' } as const
    const { ChecksumCRC32 } = await server.inspector.send(new HeadObjectCommand(object))
    expect(ChecksumCRC32).toMatch(/^[\w+/]+=*-2$/)
  })

  test('a bucket that is there passes the check', async () => {
    await expect(files.check()).resolves.toBeUndefined()
  })

  test('a bucket that is not there is a mistake of the configuration, and later an outage', async () => {
    await using elsewhere = s3Files({ ...PLACE, bucket: 'no-such-bucket' }, { endpoint: server.endpoint })
    const mistake = { exitCode: EX_CONFIG, message: expect.stringContaining('no-such-bucket does not exist') }
    await expect(elsewhere.check()).rejects.toMatchObject(mistake)
    const written = elsewhere.write('file_1', inChunks(Buffer.from('x'), 1), 1)
    await expect(written).rejects.toBeInstanceOf(StoreUnavailableError)
  })
})

describe('an S3 that fails', () => {
  const at = (endpoint: string): S3Files => s3Files(PLACE, { endpoint, timeouts: TIMEOUTS })
  const xml = (code: string): string => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No</Message></Error>`
  const expectUnavailable = async (files: S3Files): Promise<void> => {
    const outcomes = await Promise.allSettled([
      files.write('small', inChunks(Buffer.from('x'), 1), 1),
      files.write('in-parts', inChunks(Buffer.alloc(6 * MIB), MIB), 6 * MIB),
      files.read('file_1'),
      files.remove('file_1'),
    ])
    const unavailable = { status: 'rejected', reason: expect.any(StoreUnavailableError) }
    expect(outcomes).toEqual([unavailable, unavailable, unavailable, unavailable])
  }

  test('that is not there is unavailable', async () => {
    const gone = await startBrokenS3(() => {})
    await gone[Symbol.asyncDispose]()
    await using files = at(gone.endpoint)
    await expectUnavailable(files)
    await expect(files.check()).rejects.toMatchObject({ exitCode: EX_UNAVAILABLE })
  })

  test('that never answers is unavailable within bounded time', async () => {
    await using server = await startBrokenS3(() => {})
    await using files = s3Files(PLACE, { endpoint: server.endpoint, timeouts: { ...TIMEOUTS, idleMs: 60_000 } })
    const started = performance.now()
    await expectUnavailable(files)
    expect(performance.now() - started).toBeLessThan(5000)
  })

  test.each([
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [403, 'InvalidAccessKeyId'],
    [400, 'ExpiredToken'],
  ])('with %i %s is unavailable', async (status, code) => {
    await using server = await startBrokenS3((_, response) => response.writeHead(status).end(xml(code)))
    await using files = at(server.endpoint)
    await expectUnavailable(files)
  })

  test('with a page of a proxy instead of XML is unavailable', async () => {
    await using server = await startBrokenS3((_, response) => response.writeHead(502).end('<html>Bad gateway'))
    await using files = at(server.endpoint)
    await expectUnavailable(files)
  })

  test('credentials that S3 refuses are a mistake of the configuration at the start', async () => {
    await using server = await startBrokenS3((_, response) => response.writeHead(403).end())
    await using files = at(server.endpoint)
    const mistake = { exitCode: EX_CONFIG, message: expect.stringContaining('may not be used with these credentials') }
    await expect(files.check()).rejects.toMatchObject(mistake)
  })

  test.each(['with', 'without'])('in the middle of a download (%s checksum) fails the stream', async (kind) => {
    const headers = { 'content-length': 100, ...(kind === 'with' && { 'x-amz-checksum-crc32': 'AAAAAA==' }) }
    await using server = await startBrokenS3((_, response) => {
      response.writeHead(200, headers).write('only a part', () => response.destroy())
    })
    await using files = at(server.endpoint)
    await expect(buffer(await files.read('file_1'))).rejects.toThrow()
  })

  test('that stalls in the middle of a download fails the stream', async () => {
    await using server = await startBrokenS3((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('only a part')
    })
    await using files = at(server.endpoint)
    await expect(buffer(await files.read('file_1'))).rejects.toThrow('inactivity')
  })
})
