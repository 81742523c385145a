import { Readable } from 'node:stream'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { AppError } from '../errors.ts'
import { FileTooLargeError, MAX_FILE_BYTES } from '../files/files.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import type { FileRow } from '../store/store.ts'
import { withHeaders } from './documented.ts'
import { idempotencyKey } from './idempotency.ts'
import type { AddOperation } from './operation.ts'
import { JSON_TYPE, notFound } from './problem.ts'
import { FileSchema, IdParams, json } from './schemas.ts'

const tag = 'Files'
const BYTES = { '*/*': { schema: z.string().openapi({ format: 'binary' }) } }
const OF_FILES = ['ETag', 'Accept-Ranges', 'Content-Disposition'] as const
/** type/subtype and parameters (RFC 9110 §8.3.1), without anything that could break a header. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\x20-\x21\x23-\x7e]*"))*$/

export interface FileRoutes {
  files: TenantFiles
  publicUrl: string
  requireIdempotencyKey: boolean
}

export function fileRoutes(add: AddOperation, { files, publicUrl, requireIdempotencyKey }: FileRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/files',
      tag,
      role: 'client',
      summary: 'Upload a file',
      description: `The raw body, up to ${MAX_FILE_BYTES} bytes. A payload refers to it by its id.`,
      headers: z.object({ 'idempotency-key': z.string().optional() }),
      responses: { 201: withHeaders(json(FileSchema, 'Stored'), 'Location', 'Idempotent-Replayed') },
    },
    async ({ c, caller }) => {
      const contentType = c.req.header('content-type') ?? 'application/octet-stream'
      if (!MEDIA_TYPE.test(contentType) || contentType.length > 255) {
        throw new AppError('unsupported-media-type', 'The Content-Type is not a media type.')
      }
      // Looked at before the body is read: what is wrong with the header needs no upload to be found.
      idempotencyKey(c, '', requireIdempotencyKey)
      const added = await upload(c, files, { tenantId: caller.tenantId as string, jobId: null, contentType })
      const { file } = added
      if (added.kind === 'repeated') c.header('idempotent-replayed', 'true')
      const href = `${publicUrl}/v1/files/${file.id}`
      return c.body(JSON.stringify(fileView(file, href)), 201, { 'content-type': JSON_TYPE, location: href })
    },
  )
  add(
    {
      method: 'get',
      path: '/v1/files/{id}',
      tag,
      role: 'client',
      summary: 'Download a file',
      description: 'Takes a `Range` of one part.',
      params: IdParams,
      headers: z.object({ range: z.string().optional().openapi({ example: 'bytes=0-1023' }) }),
      responses: {
        200: withHeaders({ description: 'The bytes, as they were uploaded', content: BYTES }, ...OF_FILES),
        206: withHeaders({ description: 'The asked part', content: BYTES }, ...OF_FILES, 'Content-Range'),
        416: withHeaders({ description: 'The range lies outside the file' }, 'Content-Range'),
      },
    },
    async ({ c, caller, params }) => {
      const file = await files.find(caller.tenantId as string, params.id)
      if (file === null) throw notFound()
      return download(c, file, files)
    },
  )
}

async function upload(
  c: Context,
  files: TenantFiles,
  file: Parameters<TenantFiles['save']>[0],
): Promise<Awaited<ReturnType<TenantFiles['save']>>> {
  if (Number(c.req.header('content-length') ?? 0) > MAX_FILE_BYTES) throw tooLarge()
  try {
    const data = (c.req.raw.body ?? []) as AsyncIterable<Uint8Array>
    return await files.save(file, data, (sha256) => idempotencyKey(c, sha256, false)?.key ?? null)
  } catch (error) {
    if (error instanceof FileTooLargeError) throw tooLarge()
    throw error
  }
}

function tooLarge(): AppError {
  return new AppError('payload-too-large', `A file has at most ${MAX_FILE_BYTES} bytes.`)
}

function fileView(file: FileRow, href: string) {
  const { id, size, sha256, contentType } = file
  return { id, size, sha256, content_type: contentType, links: [{ href, rel: 'self', method: 'GET' }] }
}

async function download(c: Context, file: FileRow, files: TenantFiles): Promise<Response> {
  // RFC 9110 §14.2: Range has a meaning for GET alone.
  const range = c.req.method === 'GET' ? parseRange(c.req.header('range'), file.size) : null
  if (range === 'outside') {
    throw new AppError('range-not-satisfiable', 'The file is shorter.', {
      headers: { 'content-range': `bytes */${file.size}` },
    })
  }
  const headers: Record<string, string> = {
    'content-type': file.contentType,
    'content-length': String(range ? range.end - range.start + 1 : file.size),
    'accept-ranges': 'bytes',
    etag: `"${file.sha256}"`,
    // What strangers uploaded is never run as a page of ours.
    'content-disposition': 'attachment',
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    ...(range && { 'content-range': `bytes ${range.start}-${range.end}/${file.size}` }),
  }
  if (c.req.method === 'HEAD') return c.body(null, 200, headers)
  const stream = await files.read(file, range ?? undefined)
  return c.body(Readable.toWeb(stream) as ReadableStream, range ? 206 : 200, headers)
}

/** RFC 9110 §14.1.2: one range of bytes; `end` inclusive. What cannot be read, and lists of ranges, are ignored (null). */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'outside' | null {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return null
  if (first === '') {
    const start = Math.max(0, size - Number(last))
    return Number(last) === 0 || size === 0 ? 'outside' : { start, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return null
  if (start >= size) return 'outside'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}
