import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { inParts } from './parts.ts'
import { answered } from './s3-errors.ts'

export interface S3Object {
  Bucket: string
  Key: string
}

/** The smallest that S3 takes but for the last part; what one upload holds in memory. 10,000 parts are 50 GB. */
export const PART_BYTES = 5 * 1024 * 1024

/**
 * Uploads data of unknown length, part after part. The object appears when the last one is there.
 * When it fails, the parts are taken back. What a crash leaves behind, a lifecycle rule of the bucket removes
 * (AbortIncompleteMultipartUpload).
 */
export async function upload(client: S3Client, at: S3Object, data: AsyncIterable<Uint8Array>): Promise<void> {
  let multipart: MultipartUpload | null = null
  try {
    for await (const part of inParts(data, PART_BYTES)) {
      if (multipart === null && part.length < PART_BYTES) return await put(client, at, part)
      multipart ??= await beginUpload(client, at)
      await multipart.add(part)
    }
    await (multipart === null ? put(client, at, Buffer.alloc(0)) : multipart.complete())
  } catch (error) {
    await multipart?.abort().catch(() => {})
    throw error
  }
}

async function put(client: S3Client, at: S3Object, bytes: Buffer): Promise<void> {
  await answered(client.send(new PutObjectCommand({ ...at, Body: bytes })))
}

interface MultipartUpload {
  add(part: Buffer): Promise<void>
  complete(): Promise<void>
  abort(): Promise<void>
}

/**
 * What the SDK gives each part unless AWS_REQUEST_CHECKSUM_CALCULATION says `when_required`. Strict servers take such
 * parts only if they were announced, and want each checksum again at the end (Amazon S3 User Guide, "Checking object
 * integrity").
 */
async function checksum(client: S3Client): Promise<{ ChecksumAlgorithm?: 'CRC32' }> {
  return (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED' ? { ChecksumAlgorithm: 'CRC32' } : {}
}

async function beginUpload(client: S3Client, at: S3Object): Promise<MultipartUpload> {
  const { UploadId } = await answered(
    client.send(new CreateMultipartUploadCommand({ ...at, ...(await checksum(client)) })),
  )
  const upload = { ...at, UploadId }
  const parts: CompletedPart[] = []
  return {
    async add(part) {
      const PartNumber = parts.length + 1
      const sent = await answered(client.send(new UploadPartCommand({ ...upload, PartNumber, Body: part })))
      parts.push({ PartNumber, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32 })
    },
    async complete() {
      await answered(client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } })))
    },
    async abort() {
      await client.send(new AbortMultipartUploadCommand(upload))
    },
  }
}
