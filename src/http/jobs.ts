import { z } from '@hono/zod-openapi'
import { AppError } from '../errors.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import type { CancelJob } from '../jobs/cancel.ts'
import type { JobFilter } from '../store/store.ts'
import { withHeaders } from './documented.ts'
import { type AnswerDependencies, findJob, isNotModified, positionMembers, showJob } from './job-answer.ts'
import { answerList, listOf, pageParameters, timeParameter } from './lists.ts'
import type { AddOperation } from './operation.ts'
import { notFound } from './problem.ts'
import { IdParams, JobSchema, json, PREFER, QueueSchema } from './schemas.ts'

export interface JobRoutes extends AnswerDependencies {
  cancel: CancelJob
  files: TenantFiles
}

/** What lists of jobs can be narrowed by. */
export const jobFilters = {
  status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']).optional(),
  type: z.string().optional(),
  created_after: timeParameter,
  created_before: timeParameter,
}

export function jobFilterOf(query: z.infer<z.ZodObject<typeof jobFilters>>): JobFilter {
  const { status, type, created_after: createdAfter, created_before: createdBefore } = query
  return { status, type, createdAfter, createdBefore }
}

const tag = 'Jobs'
const read = { method: 'get', tag, role: 'client', polled: true, params: IdParams, headers: PREFER } as const

export function jobRoutes(add: AddOperation, deps: JobRoutes): void {
  listRoute(add, deps)
  plainRoute(add, deps)
  statusRoute(add, deps)
  queueRoute(add, deps)
  cancelRoute(add, deps)
  eraseRoute(add, deps)
}

function listRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/jobs',
      tag,
      role: 'client',
      summary: 'List jobs, the newest first',
      query: z.object({ ...jobFilters, ...pageParameters }),
      responses: { 200: listOf(JobSchema, 'A page of jobs') },
    },
    (input) =>
      answerList(input, {
        publicUrl: deps.publicUrl,
        find: (page) => deps.jobs.list(input.caller.tenantId as string, jobFilterOf(input.query), page),
        json: async (job) => (await showJob(job, deps)).json,
      }),
  )
}

function plainRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      ...read,
      headers: PREFER.extend({ 'if-none-match': z.string().optional() }),
      path: '/v1/jobs/{id}',
      summary: 'Read a job',
      description: '`Prefer: wait=N` answers when it is finished, at the latest after N seconds.',
      responses: {
        200: withHeaders(json(JobSchema, 'The job'), 'ETag', 'Retry-After', 'Sunset'),
        304: withHeaders(
          { description: 'As it was at the `ETag` of `If-None-Match`' },
          'ETag',
          'Retry-After',
          'Sunset',
        ),
        410: { description: 'It has expired' },
      },
    },
    async ({ c, caller, params }) => {
      const { json: body, headers } = await showJob(await findJob(c, caller.tenantId, params.id, deps), deps)
      return isNotModified(c, headers.etag ?? '') ? c.body(null, 304, headers) : c.body(body, 200, headers)
    },
  )
}

/** The status monitor of Azure's asynchronous request-reply: 303 to the result once there is one. */
function statusRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      ...read,
      path: '/v1/jobs/{id}/status',
      summary: 'Follow a job to its result',
      description: "The status monitor of Azure's asynchronous request-reply: 303 to the result once there is one.",
      query: z.object({ redirect: z.enum(['true', 'false']).optional() }),
      responses: {
        200: withHeaders(
          json(JobSchema, 'The job, not completed (or `redirect=false`)'),
          'ETag',
          'Retry-After',
          'Sunset',
        ),
        303: withHeaders(json(JobSchema, 'Completed: `Location` is the result'), 'Location', 'ETag', 'Sunset'),
        410: { description: 'It has expired' },
      },
    },
    async ({ c, caller, params, query }) => {
      const job = await findJob(c, caller.tenantId, params.id, deps)
      const { json: body, headers } = await showJob(job, deps)
      const answer = { ...headers, 'cache-control': 'no-store' }
      if (job.status !== 'completed' || query.redirect === 'false') return c.body(body, 200, answer)
      return c.body(body, 303, { ...answer, location: `${deps.publicUrl}/v1/jobs/${job.id}/result` })
    },
  )
}

/** The temporary queue URI of PayPal's asynchronous operations: always 200. */
function queueRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      ...read,
      path: '/v1/queue/requests/{id}',
      summary: 'See where a job stands in the queue',
      description: "The temporary queue URI of PayPal's asynchronous operations.",
      responses: {
        200: withHeaders(json(QueueSchema, 'The job, and its place while it waits'), 'ETag', 'Retry-After', 'Sunset'),
      },
    },
    async ({ c, caller, params }) => {
      // 410 is not among the statuses of PayPal's profile (CONTRACT §3).
      const job = await findJob(c, caller.tenantId, params.id, deps).catch((error: unknown) => {
        throw error instanceof AppError && error.code === 'expired' ? notFound() : error
      })
      const { json: body, headers, estimate } = await showJob(job, deps)
      const place = JSON.stringify(positionMembers(estimate)).slice(1, -1)
      return c.body(place === '' ? body : `{${place},${body.slice(1)}`, 200, {
        ...headers,
        'cache-control': 'no-store',
      })
    },
  )
}

function cancelRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/jobs/{id}/cancel',
      tag,
      role: 'client',
      summary: 'Cancel a job',
      description: 'A pending job never runs; a running one is told to stop, and what it still returns is dropped.',
      params: IdParams,
      responses: {
        200: withHeaders(json(JobSchema, 'The cancelled job'), 'ETag', 'Sunset', 'Vary'),
        409: { description: 'It is finished already' },
      },
    },
    async ({ c, caller, params }) => {
      const { json: body, headers } = await showJob(await deps.cancel(caller.tenantId as string, params.id), deps)
      return c.body(body, 200, headers)
    },
  )
}

function eraseRoute(add: AddOperation, deps: JobRoutes): void {
  add(
    {
      method: 'delete',
      path: '/v1/jobs/{id}',
      tag,
      role: 'client',
      summary: 'Erase a finished job',
      description: 'Erases payload, result and the files the job made.',
      params: IdParams,
      responses: { 204: { description: 'Erased' }, 409: { description: 'It is not finished' } },
    },
    async ({ c, caller, params }) => {
      const tenantId = caller.tenantId as string
      const files = await deps.jobs.erase(tenantId, params.id)
      if (files === null) {
        if ((await deps.jobs.get(tenantId, params.id)) === null) throw notFound()
        throw new AppError('job-not-finished', 'Only a finished job can be erased.')
      }
      await deps.files.removeBytes(files)
      return c.body(null, 204)
    },
  )
}
