import { Readable } from 'node:stream'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { isFinished, type Job } from '../core/job.ts'
import { AppError } from '../errors.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import { callbackDelivery, expiryOf } from '../jobs/expire.ts'
import { withHeaders } from './documented.ts'
import { type AnswerDependencies, findJob, positionMembers, retryAfter, sunset, unsuccessful } from './job-answer.ts'
import type { AddOperation } from './operation.ts'
import { JSON_TYPE, notFound, problemResponse, UNCACHED_JSON } from './problem.ts'
import { IdParams, json, PREFER } from './schemas.ts'

export interface ResultRoutes extends AnswerDependencies {
  files: TenantFiles
}

/** The final URI of PayPal's asynchronous operations: the result itself, and 404 until there is one. */
export function resultRoutes(add: AddOperation, deps: ResultRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/jobs/{id}/result',
      tag: 'Jobs',
      role: 'client',
      polled: true,
      summary: 'Get the result of a job',
      params: IdParams,
      headers: PREFER,
      responses: {
        200: withHeaders(json(z.unknown(), 'The result itself, with its own content type'), 'Sunset'),
        404: { description: 'Not finished yet (`result-not-ready`, with `position` and `Retry-After`), or unknown' },
        409: { description: 'The job was cancelled' },
        410: { description: 'The result has expired' },
        422: { description: 'The job failed; its problem is in `error`' },
        502: { description: 'The job failed because of another service' },
        504: { description: 'The job did not finish in time' },
      },
    },
    async ({ c, caller, params }) => {
      const job = await findJob(c, caller.tenantId, params.id, deps)
      if (!isFinished(job.status)) return notReady(c, job, deps)
      if (job.status !== 'completed') return unsuccessful(c, job, deps.publicUrl)
      const delivery = await callbackDelivery(job, deps.deliveries)
      const expiresAt = expiryOf(job, delivery, deps.callbacks.resultTtlMs)
      for (const [name, value] of Object.entries(sunset(expiresAt))) c.header(name, value)
      return job.resultFileId === null ? inline(c, job) : fromFile(c, job, job.resultFileId, deps.files)
    },
  )
}

/** RFC 9110 §15.5.5: a 404 may be cached by default, so it has to say no-store (problemResponse does). */
async function notReady(c: Context, job: Job, deps: ResultRoutes): Promise<Response> {
  const estimate = await deps.estimate(job)
  const headers = retryAfter(job, estimate, deps.clock)
  const error = new AppError('result-not-ready', `The job is ${job.status}.`, { headers })
  return problemResponse(c, error, deps.publicUrl, positionMembers(estimate))
}

function inline(c: Context, job: Job): Response {
  return c.body(job.result ?? 'null', 200, UNCACHED_JSON)
}

async function fromFile(c: Context, job: Job, fileId: string, files: TenantFiles): Promise<Response> {
  const file = await files.find(job.tenantId, fileId)
  if (file === null) throw notFound()
  const headers = { 'content-type': JSON_TYPE, 'content-length': String(file.size), 'cache-control': 'no-store' }
  if (c.req.method === 'HEAD') return c.body(null, 200, headers)
  return c.body(Readable.toWeb(await files.read(file)) as ReadableStream, 200, headers)
}
