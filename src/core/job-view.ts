import type { DeliveryStatus } from './delivery.ts'
import { isFinished, type Job, type JsonText } from './job.ts'

/** Where the callback of a finished job stands. */
export interface CallbackState {
  status: DeliveryStatus | 'held'
  deliveryId: string
}

export interface Link {
  href: string
  rel: string
  method: 'GET' | 'POST' | 'DELETE'
}

/** What a job's JSON says beyond its row. */
export interface JobContext {
  callback: CallbackState | null
  /** Ms since 1970. */
  estimatedCompletion?: number | null
  /** Ms since 1970; null while it is not known, because the callback is not settled. */
  expiresAt?: number | null
}

/** A job as the API and the callbacks show it, as JSON text: stored JSON goes in as it is. */
export function jobJson(job: Job, publicUrl: string, context: JobContext): JsonText {
  const { callback, estimatedCompletion = null, expiresAt = null } = context
  const failed = job.status === 'failed'
  return jsonWith(
    {
      id: job.id,
      type: job.type,
      status: job.status,
      progress: job.progress,
      message: job.message,
      attempt: job.attempt,
      max_attempts: job.maxAttempts,
      priority: job.priority,
      created_at: isoTime(job.createdAt),
      run_at: isoTime(job.runAt),
      started_at: isoTimeOrNull(job.startedAt),
      finished_at: isoTimeOrNull(job.finishedAt),
      estimated_completion: isoTimeOrNull(estimatedCompletion),
      expires_at: isoTimeOrNull(expiresAt),
      callback: callback && { status: callback.status, delivery_id: callback.deliveryId },
      ...(job.resultFileId === null ? {} : { result_url: `${publicUrl}/v1/jobs/${job.id}/result` }),
      links: jobLinks(job, publicUrl),
    },
    {
      metadata: job.metadata ?? '{}',
      error: failed ? job.error : 'null',
      // What the last run failed with, while another is to come.
      last_error: failed ? null : job.error,
      result: job.status === 'completed' && job.resultFileId === null ? job.result : null,
    },
  )
}

/** What a 202 holds: only what never changes, so that a repeated request gets the same bytes. */
export function acceptedJson(job: Job, publicUrl: string): JsonText {
  return jsonWith(
    {
      id: job.id,
      type: job.type,
      priority: job.priority,
      max_attempts: job.maxAttempts,
      created_at: isoTime(job.createdAt),
      run_at: isoTime(job.runAt),
      links: jobLinks({ ...job, status: 'pending' }, publicUrl),
    },
    { metadata: job.metadata ?? '{}' },
  )
}

export function jobLinks(job: Pick<Job, 'id' | 'status' | 'endpointId'>, publicUrl: string): Link[] {
  const url = `${publicUrl}/v1/jobs/${job.id}`
  const links: Link[] = [
    { href: url, rel: 'self', method: 'GET' },
    { href: `${url}/status`, rel: 'status', method: 'GET' },
    { href: `${publicUrl}/v1/queue/requests/${job.id}`, rel: 'queue', method: 'GET' },
    { href: `${url}/result`, rel: 'result', method: 'GET' },
    { href: `${url}/events`, rel: 'events', method: 'GET' },
  ]
  if (!isFinished(job.status)) links.push({ href: `${url}/cancel`, rel: 'cancel', method: 'POST' })
  if (job.endpointId !== null) {
    links.push({ href: `${publicUrl}/v1/deliveries?job_id=${job.id}`, rel: 'deliveries', method: 'GET' })
  }
  return links
}

/** `object` as JSON with further members whose values are JSON already; those that are null are left out. */
export function jsonWith(object: object, raw: Record<string, JsonText | null>): JsonText {
  const members = Object.entries(raw).filter(([, text]) => text !== null)
  const tail = members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')
  const head = JSON.stringify(object).slice(0, -1)
  return tail === '' ? `${head}}` : `${head}${head === '{' ? '' : ','}${tail}}`
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

export function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms)
}
