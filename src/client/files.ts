import type { Link } from './job.ts'
import { checkedId, readJson, type Send } from './transport.ts'

/** A file of the tenant. A payload refers to it as `{ file_id: id }`. */
export interface StoredFile {
  id: string
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
  content_type: string
  links: Link[]
}

export type FileBody = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array>

export interface UploadOptions {
  /** Default: the type of a Blob, else `application/octet-stream`. */
  contentType?: string | undefined
  idempotencyKey?: string | undefined
  signal?: AbortSignal | undefined
}

export interface DownloadOptions {
  /** Only these bytes, both inclusive, from 0. */
  range?: { start: number; end?: number } | undefined
  signal?: AbortSignal | undefined
}

export interface Files {
  /**
   * Stores up to 100 MiB. Takes as long as it takes. A stream is sent once; anything else is sent again when it failed.
   * @throws PosthornError
   */
  upload(body: FileBody, options?: UploadOptions): Promise<StoredFile>
  /**
   * The answer with the file as its body: read it with `arrayBuffer()`, `text()` or as a stream.
   * @throws PosthornError
   */
  download(id: string, options?: DownloadOptions): Promise<Response>
}

export function files(send: Send): Files {
  return {
    upload: (body, { contentType, idempotencyKey = crypto.randomUUID(), signal } = {}) =>
      send(
        {
          method: 'POST',
          path: '/v1/files',
          headers: { 'content-type': contentType ?? typeOf(body), 'idempotency-key': idempotencyKey },
          body,
          signal,
          repeatable: !(body instanceof ReadableStream),
          timeoutMs: Number.POSITIVE_INFINITY,
          retryOn: [409],
        },
        readJson<StoredFile>,
      ),
    download: async (id, { range, signal } = {}) =>
      send(
        {
          path: `/v1/files/${checkedId(id)}`,
          ...(range && { headers: { range: `bytes=${range.start}-${range.end ?? ''}` } }),
          signal,
        },
        (response) => response,
      ),
  }
}

function typeOf(body: FileBody): string {
  return (body instanceof Blob && body.type) || 'application/octet-stream'
}
