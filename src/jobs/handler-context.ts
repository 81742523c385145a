import { addAbortSignal, Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { Job } from '../core/job.ts'
import type { EgressClient, EgressResult } from '../egress/client.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import {
  type FetchOptions,
  type HandlerContext,
  type HandlerFiles,
  type HandlerLog,
  PermanentError,
  RetryableError,
} from '../handlers/define.ts'
import { suspension } from '../handlers/suspension.ts'
import type { Sealer } from '../secrets.ts'
import type { FileRow } from '../store/store.ts'

export interface ContextDependencies {
  files: TenantFiles
  egress: EgressClient
  publicUrl: string
  log: HandlerLog
  sealer: Sealer
}

/** What the token of a run is bound to: another run of the job has another one. */
export function runPlace(job: Pick<Job, 'id' | 'claimNo'>): string {
  return `${job.id}|${job.claimNo}|complete`
}

const DEFAULT_FETCH_TIMEOUT_MS = 30_000
const DEFAULT_FETCH_BYTES = 10 * 1024 * 1024

/** What one run of a handler gets, bound to its job and tenant. */
export function handlerContext(
  job: Job,
  input: unknown,
  signal: AbortSignal,
  /** Aborted when the run has ended, in whatever way. */
  over: AbortSignal,
  progress: HandlerContext<unknown>['progress'],
  { files, egress, publicUrl, log, sealer }: ContextDependencies,
): HandlerContext<unknown> {
  return {
    input,
    job: {
      id: job.id,
      type: job.type,
      createdAt: new Date(job.createdAt),
      metadata: JSON.parse(job.metadata ?? '{}') as Record<string, string>,
      url: `${publicUrl}/v1/jobs/${job.id}`,
      // Few handlers ask for it.
      get token() {
        return sealer.token(runPlace(job))
      },
      suspend: suspension,
    },
    attempt: job.attempt,
    progress,
    signal,
    files: handlerFiles(job, files, publicUrl, over),
    fetch: guardedFetch(egress, signal),
    log,
  }
}

function handlerFiles(job: Job, files: TenantFiles, publicUrl: string, over: AbortSignal): HandlerFiles {
  const seen = ({ id, contentType, size, sha256 }: FileRow) => ({ id, contentType, size, sha256 })
  return {
    async open(id) {
      const file = await files.find(job.tenantId, id)
      if (file === null) throw new PermanentError(`There is no file ${id}.`, { code: 'file_not_found' })
      // Left unread, it would keep its file open.
      const stream = Readable.toWeb(addAbortSignal(over, await files.read(file))) as ReadableStream<Uint8Array>
      return { ...seen(file), stream }
    },
    async save(data, { contentType }) {
      const { file } = await files.save({ tenantId: job.tenantId, jobId: job.id, contentType }, bytesOf(data))
      return { ...seen(file), url: `${publicUrl}/v1/files/${file.id}` }
    },
  }
}

function bytesOf(data: string | Uint8Array | ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  if (data instanceof ReadableStream) return Readable.fromWeb(data as NodeReadableStream<Uint8Array>)
  return Readable.from([typeof data === 'string' ? Buffer.from(data) : data])
}

/** `fetch` under the egress rules. What `delivery` takes for an answer with a note is a failure here: it is not whole. */
function guardedFetch(egress: EgressClient, jobSignal: AbortSignal): HandlerContext<unknown>['fetch'] {
  return async (url, options: FetchOptions = {}) => {
    const maxBytes = options.maxBytes ?? DEFAULT_FETCH_BYTES
    const result = await egress.send({
      method: options.method ?? 'GET',
      url,
      headers: { 'user-agent': 'Posthorn', ...options.headers },
      body: options.body ?? null,
      timeoutMs: options.timeoutMs ?? DEFAULT_FETCH_TIMEOUT_MS,
      maxBytes,
      signal: options.signal ? AbortSignal.any([jobSignal, options.signal]) : jobSignal,
    })
    jobSignal.throwIfAborted()
    return responseOf(result, url, maxBytes)
  }
}

function responseOf({ outcome, body, truncated }: EgressResult, url: string, maxBytes: number): Response {
  if (outcome.kind === 'error') {
    const options = {
      code: 'upstream_unreachable',
      title: 'The called service cannot be reached',
      status: 502 as const,
    }
    const final = outcome.class === 'blocked_address' || outcome.class === 'invalid_url'
    const message = `${url}: ${outcome.text}`
    throw final ? new PermanentError(message, options) : new RetryableError(message, options)
  }
  if (truncated && body.length >= maxBytes) {
    throw new PermanentError(`${url}: the answer is longer than ${maxBytes} bytes`, {
      code: 'upstream_too_large',
      status: 502,
    })
  }
  if (truncated || outcome.note !== null) {
    throw new RetryableError(`${url}: ${outcome.note ?? 'the answer is cut short'}`, {
      code: 'upstream_incomplete',
      status: 502,
    })
  }
  const bodyless = outcome.status === 204 || outcome.status === 205 || outcome.status === 304
  return new Response(bodyless ? null : new Uint8Array(body), { status: outcome.status, headers: outcome.headers })
}
