import { z } from '@hono/zod-openapi'
import type { Clock } from '../clock.ts'
import { isFinished, type Job } from '../core/job.ts'
import { acceptedJson, type CallbackState, jobJson } from '../core/job-view.ts'
import { traceFrom } from '../core/trace.ts'
import { AppError } from '../errors.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import type { AcceptJob } from '../jobs/accept.ts'
import type { CancelJob } from '../jobs/cancel.ts'
import type { DeliveryStore, JobStore } from '../store/store.ts'
import { idempotencyKey } from './idempotency.ts'
import { jobCallbacks } from './job-callbacks.ts'
import { listJson, listOf, pageOf, pageParameters, requestUrl, timeParameter } from './lists.ts'
import type { AddOperation } from './operation.ts'
import { JSON_TYPE, notFound } from './problem.ts'
import { AcceptedSchema, IdParams, JobSchema, json, SubmitJob } from './schemas.ts'

export interface JobRoutes {
  accept: AcceptJob
  cancel: CancelJob
  jobs: JobStore
  deliveries: DeliveryStore
  files: TenantFiles
  clock: Clock
  publicUrl: string
  requireIdempotencyKey: boolean
}

/** How long a client should wait before it asks again. */
export const RETRY_AFTER_S = '1'

const tag = 'Jobs'

export function jobRoutes(add: AddOperation, deps: JobRoutes): void {
  submitRoute(add, deps)
  listRoute(add, deps)
  readRoutes(add, deps)
  changeRoutes(add, deps)
}

function submitRoute(add: AddOperation, { accept, publicUrl, requireIdempotencyKey, clock }: JobRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/jobs',
      tag,
      role: 'client',
      summary: 'Submit a job',
      description:
        'Answered with 202 when the job is stored durably. With an `Idempotency-Key`, the same request again gets ' +
        'the same answer, byte for byte, and makes no second job.',
      body: SubmitJob,
      headers: z.object({
        'idempotency-key': z.string().optional().openapi({ description: '1 to 255 visible characters.' }),
        prefer: z.string().optional().openapi({ example: 'respond-async' }),
        traceparent: z.string().optional(),
      }),
      responses: { 202: json(AcceptedSchema, 'Accepted', acceptedHeaders) },
      callbacks: jobCallbacks,
    },
    async ({ c, caller, body, raw }) => {
      const accepted = await accept({
        tenantId: caller.tenantId as string,
        type: body.type,
        payload: body.payload ?? {},
        callbackUrl: body.callback_url ?? null,
        callbackEvents: body.callback_events ?? null,
        priority: body.priority,
        runAt: body.run_at === undefined ? null : Date.parse(body.run_at),
        deadlineMs: secondsToMs(body.deadline_s),
        timeoutMs: secondsToMs(body.timeout_s),
        maxAttempts: body.max_attempts ?? null,
        resultTtlMs: secondsToMs(body.result_ttl_s),
        metadata: body.metadata === undefined ? null : JSON.stringify(body.metadata),
        traceparent: traceFrom(c.req.header('traceparent'), clock.newHex),
        key: idempotencyKey(c, raw, requireIdempotencyKey),
      })
      return c.body(acceptedJson(accepted.job, publicUrl), 202, {
        'content-type': JSON_TYPE,
        location: `${publicUrl}/v1/jobs/${accepted.job.id}/status`,
        'retry-after': RETRY_AFTER_S,
        'cache-control': 'no-store',
        'preference-applied': 'respond-async',
        vary: 'Prefer',
        ...(accepted.kind === 'repeated' ? { 'idempotent-replayed': 'true' } : {}),
      })
    },
  )
}

const acceptedHeaders = z.object({
  Location: z.url().openapi({ description: 'The status of the job.' }),
  'Retry-After': z.string(),
  'Preference-Applied': z.string(),
  'Idempotent-Replayed': z.string().optional().openapi({ description: '`true` when the key had made the job before.' }),
})

function listRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/jobs',
      tag,
      role: 'client',
      summary: 'List jobs, the newest first',
      query: z.object({
        status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']).optional(),
        type: z.string().optional(),
        created_after: timeParameter,
        created_before: timeParameter,
        ...pageParameters,
      }),
      responses: { 200: listOf(JobSchema, 'A page of jobs') },
    },
    async ({ c, caller, query }) => {
      const page = pageOf(query)
      const filter = {
        status: query.status,
        type: query.type,
        createdAfter: query.created_after,
        createdBefore: query.created_before,
      }
      const jobs = await deps.jobs.list(caller.tenantId as string, filter, page)
      const items = await Promise.all(jobs.map(async (job) => ({ id: job.id, json: await shownJob(job, deps) })))
      return c.body(listJson(items, page, requestUrl(c.req.url, deps.publicUrl)), 200, {
        'content-type': JSON_TYPE,
        'cache-control': 'no-store',
      })
    },
  )
}

function readRoutes(add: AddOperation, deps: JobRoutes): void {
  const read = { method: 'get', tag, role: 'client', params: IdParams } as const
  add(
    { ...read, path: '/v1/jobs/{id}', summary: 'Read a job', responses: { 200: json(JobSchema, 'The job') } },
    async ({ c, caller, params }) => {
      const job = await findJob(deps.jobs, caller.tenantId, params.id)
      return c.body(await shownJob(job, deps), 200, jobHeaders(job))
    },
  )
  add(
    {
      ...read,
      path: '/v1/jobs/{id}/status',
      summary: 'Follow a job to its result',
      description: 'The status monitor of asynchronous request-reply: 303 to the result once there is one.',
      query: z.object({ redirect: z.enum(['true', 'false']).optional() }),
      responses: {
        200: json(JobSchema, 'The job, not completed (or `redirect=false`)'),
        303: { description: 'Completed: `Location` is the result.' },
      },
    },
    async ({ c, caller, params, query }) => {
      const job = await findJob(deps.jobs, caller.tenantId, params.id)
      const redirect = job.status === 'completed' && query.redirect !== 'false'
      const headers: Record<string, string> = jobHeaders(job)
      if (redirect) headers.location = `${deps.publicUrl}/v1/jobs/${job.id}/result`
      return c.body(await shownJob(job, deps), redirect ? 303 : 200, headers)
    },
  )
}

function changeRoutes(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/jobs/{id}/cancel',
      tag,
      role: 'client',
      summary: 'Cancel a job',
      description: 'A pending job never runs; a running one is told to stop, and what it still returns is dropped.',
      params: IdParams,
      responses: { 200: json(JobSchema, 'The cancelled job') },
    },
    async ({ c, caller, params }) => {
      const job = await deps.cancel(caller.tenantId as string, params.id)
      return c.body(await shownJob(job, deps), 200, jobHeaders(job))
    },
  )
  add(
    {
      method: 'delete',
      path: '/v1/jobs/{id}',
      tag,
      role: 'client',
      summary: 'Erase a finished job',
      description: 'Erases payload, result and the files the job made.',
      params: IdParams,
      responses: { 204: { description: 'Erased' } },
    },
    async ({ c, caller, params }) => {
      const files = await deps.jobs.erase(caller.tenantId as string, params.id)
      if (files === null) {
        await findJob(deps.jobs, caller.tenantId, params.id)
        throw new AppError('job-not-finished', 'Only a finished job can be erased.')
      }
      await deps.files.removeBytes(files)
      return c.body(null, 204)
    },
  )
}

export async function findJob(jobs: JobStore, tenantId: string | null, id: string): Promise<Job> {
  const job = tenantId === null ? null : await jobs.get(tenantId, id)
  if (job === null) throw notFound()
  return job
}

async function shownJob(job: Job, { deliveries, publicUrl }: JobRoutes): Promise<string> {
  const id = job.callbackDeliveryId
  const delivery = id === null ? null : await deliveries.get(job.tenantId, id)
  const callback: CallbackState | null = delivery && {
    status: delivery.held ? 'held' : delivery.status,
    deliveryId: delivery.id,
  }
  return jobJson(job, publicUrl, callback)
}

function jobHeaders(job: Job): Record<string, string> {
  const headers = { 'content-type': JSON_TYPE, 'cache-control': 'no-store' }
  return isFinished(job.status) ? headers : { ...headers, 'retry-after': RETRY_AFTER_S }
}

function secondsToMs(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1000
}
