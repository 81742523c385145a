import { Readable } from 'node:stream'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { isFinished, type Job, type JobProblem } from '../core/job.ts'
import type { ProblemCode } from '../core/problems.ts'
import { AppError } from '../errors.ts'
import type { TenantFiles } from '../files/tenant-files.ts'
import type { JobStore } from '../store/store.ts'
import { findJob, RETRY_AFTER_S } from './jobs.ts'
import type { AddOperation } from './operation.ts'
import { JSON_TYPE, notFound, problemResponse } from './problem.ts'
import { IdParams } from './schemas.ts'

export interface ResultRoutes {
  jobs: JobStore
  files: TenantFiles
  publicUrl: string
}

/** By the status of the job's problem. */
const FAILED: Record<JobProblem['status'], ProblemCode> = {
  422: 'job-failed',
  502: 'job-failed-upstream',
  504: 'job-timed-out',
}

/** The final URI of PayPal's asynchronous operations: the result itself, and 404 until there is one. */
export function resultRoutes(add: AddOperation, { jobs, files, publicUrl }: ResultRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/jobs/{id}/result',
      tag: 'Jobs',
      role: 'client',
      summary: 'Get the result of a job',
      params: IdParams,
      responses: {
        200: {
          description: 'The result itself, with its own content type',
          content: { 'application/json': { schema: z.unknown() } },
        },
        404: { description: 'Not finished yet (`result-not-ready`, with `Retry-After`), or unknown' },
        409: { description: 'The job was cancelled' },
        422: { description: 'The job failed; its problem is in `error`' },
        502: { description: 'The job failed because of another service' },
        504: { description: 'The job did not finish in time' },
      },
    },
    async ({ c, caller, params }) => {
      const job = await findJob(jobs, caller.tenantId, params.id)
      if (!isFinished(job.status)) throw notReady(job)
      if (job.status === 'cancelled') throw new AppError('job-cancelled', 'The job was cancelled: there is no result.')
      if (job.status === 'failed') return failed(c, job, publicUrl)
      return job.resultFileId === null ? inline(c, job) : fromFile(c, job, job.resultFileId, files)
    },
  )
}

/** RFC 9110 §15.5.5: a 404 may be cached by default, so it has to say no-store (problemResponse does). */
function notReady(job: Job): AppError {
  return new AppError('result-not-ready', `The job is ${job.status}.`, { headers: { 'retry-after': RETRY_AFTER_S } })
}

function failed(c: Context, job: Job, publicUrl: string): Response {
  const problem = JSON.parse(job.error ?? '{}') as JobProblem
  return problemResponse(c, new AppError(FAILED[problem.status], problem.detail), publicUrl, { error: problem })
}

function inline(c: Context, job: Job): Response {
  return c.body(job.result ?? 'null', 200, { 'content-type': JSON_TYPE, 'cache-control': 'no-store' })
}

async function fromFile(c: Context, job: Job, fileId: string, files: TenantFiles): Promise<Response> {
  const file = await files.find(job.tenantId, fileId)
  if (file === null) throw notFound()
  return c.body(Readable.toWeb(await files.read(file)) as ReadableStream, 200, {
    'content-type': JSON_TYPE,
    'content-length': String(file.size),
    'cache-control': 'no-store',
  })
}
