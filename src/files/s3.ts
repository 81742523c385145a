import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { EX_CONFIG, EX_UNAVAILABLE, StartError } from '../errors.ts'
import type { FileBytes } from './files.ts'
import { measured } from './measured.ts'
import type { S3Place } from './place.ts'
import { answered, isDown, statusOf } from './s3-errors.ts'
import { type S3Object, upload } from './s3-upload.ts'

/**
 * Files as objects of an S3 bucket. Region and credentials come by the usual AWS variables or files.
 * They need `s3:GetObject`, `PutObject`, `DeleteObject`, `AbortMultipartUpload`, and `ListBucket`, without which
 * S3 does not tell a missing object from a forbidden one.
 */
export interface S3Files extends FileBytes, AsyncDisposable {
  /** @throws StartError when the bucket cannot be used as it is configured, or does not answer */
  check(): Promise<void>
}

export interface S3Options {
  /** Base URL of a server that is not Amazon's: buckets are then addressed in the path. Null: Amazon S3. */
  endpoint: string | null
  timeouts?: S3Timeouts
}

/** One try is bounded by these; the SDK tries three times what may work later. */
interface S3Timeouts {
  connectMs: number
  /** To the head of the answer, the sent part included: 5 MiB in it are 2.8 Mbit/s. */
  answerMs: number
  /** Between two pieces of a body; a reader that takes nothing for so long loses its stream too. */
  idleMs: number
}

const TIMEOUTS: S3Timeouts = { connectMs: 3000, answerMs: 15_000, idleMs: 120_000 }

export function s3Files(place: S3Place, options: S3Options): S3Files {
  const client = s3Client(options)
  const { bucket, prefix } = place
  const at = (id: string): S3Object => ({ Bucket: bucket, Key: prefix + id })
  return {
    async write(id, data, maxBytes) {
      const { chunks, written } = measured(data, maxBytes)
      await upload(client, at(id), chunks)
      return written()
    },
    async read(id, range) {
      const part = range && { Range: `bytes=${range.start}-${range.end}` }
      const { Body } = await answered(client.send(new GetObjectCommand({ ...at(id), ...part })))
      return Body as Readable
    },
    async remove(id) {
      await answered(client.send(new DeleteObjectCommand(at(id))))
    },
    async *writtenBefore(time) {
      let token: string | undefined
      do {
        const query = { Bucket: bucket, Prefix: prefix, ...(token && { ContinuationToken: token }) }
        const page = await answered(client.send(new ListObjectsV2Command(query)))
        for (const { Key, LastModified } of page.Contents ?? []) {
          if (Key !== undefined && LastModified !== undefined && LastModified < time) yield Key.slice(prefix.length)
        }
        token = page.NextContinuationToken
      } while (token !== undefined)
    },
    async check() {
      try {
        await client.send(new HeadBucketCommand({ Bucket: bucket }))
      } catch (error) {
        throw asStartError(error as Error, bucket)
      }
    },
    async [Symbol.asyncDispose]() {
      client.destroy()
    },
  }
}

function s3Client({ endpoint, timeouts = TIMEOUTS }: S3Options): S3Client {
  // Downloads by slow clients hold their sockets; uploads must not wait for those.
  const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }
  return new S3Client({
    ...(endpoint !== null && { endpoint, forcePathStyle: true }),
    requestHandler: {
      connectionTimeout: timeouts.connectMs,
      requestTimeout: timeouts.answerMs,
      throwOnRequestTimeout: true,
      socketTimeout: timeouts.idleMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
}

/** The answer to HEAD has no body; its status alone says what is wrong (API reference, HeadBucket). */
const MISTAKES: Record<number, string> = {
  301: 'is in another region than AWS_REGION says',
  400: 'refuses the credentials or the region',
  403: 'may not be used with these credentials',
  404: 'does not exist',
}

function asStartError(error: Error, bucket: string): StartError {
  const mistake = MISTAKES[statusOf(error) ?? 0] ?? `cannot be used: ${error.message}`
  return new StartError(
    `POSTHORN_FILES: the bucket ${bucket} ${mistake}`,
    isDown(error) ? EX_UNAVAILABLE : EX_CONFIG,
    error,
  )
}
