import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { isFinished } from '../core/job.ts'
import { AppError } from '../errors.ts'
import { jobEvents, lastEventId, type StreamDependencies } from '../jobs/event-stream.ts'
import type { JobWatchers } from '../jobs/wait.ts'
import { type AnswerDependencies, showJob } from './job-answer.ts'
import type { AddOperation } from './operation.ts'
import { notFound } from './problem.ts'
import { IdParams } from './schemas.ts'

export interface EventRoutes extends AnswerDependencies {
  watchers: JobWatchers
}

/** A job's events as Server-Sent Events (WHATWG HTML §9.2). */
export function eventRoutes(add: AddOperation, deps: EventRoutes): void {
  const stream = streamOf(deps)
  add(
    {
      method: 'get',
      path: '/v1/jobs/{id}/events',
      tag: 'Jobs',
      role: 'client',
      summary: 'Follow a job by Server-Sent Events',
      description:
        '`job.started`, `job.progress` and the end, as they happen. `Last-Event-ID` goes on without gap or repetition; ' +
        'behind the last event of a finished job it gets 204, which ends the reconnecting of an EventSource.',
      params: IdParams,
      headers: z.object({ 'last-event-id': z.string().optional() }),
      responses: {
        200: { description: 'The stream', content: { 'text/event-stream': { schema: z.string() } } },
        204: { description: 'The job is finished and all its events were seen' },
        410: { description: 'The job has expired' },
      },
    },
    async ({ c, caller, params }) => {
      const tenantId = caller.tenantId as string
      const job = await deps.jobs.get(tenantId, params.id)
      if (job === null) throw notFound()
      if (job.expiredAt !== null) throw new AppError('expired', 'The job has expired.')
      const after = resumePoint(c.req.header('last-event-id'))
      if (isFinished(job.status) && after >= ((await lastEventId(job, deps.jobs)) ?? 0)) return c.body(null, 204)
      // Its body would be dropped, and with it the end of the stream.
      if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
      const response = sendEvents(c, tenantId, job.id, after, stream)
      response.headers.set('cache-control', 'no-store')
      response.headers.set('x-accel-buffering', 'no')
      return response
    },
  )
}

export function streamOf(deps: EventRoutes): StreamDependencies {
  const { jobs, watchers } = deps
  return { jobs, watchers, show: async (job) => (await showJob(job, deps)).json }
}

/** What is not an id of ours means from the beginning. */
export function resumePoint(lastEventId: string | undefined): number {
  return /^\d{1,9}$/.test(lastEventId ?? '') ? Number(lastEventId) : 0
}

function sendEvents(c: Context, tenantId: string, id: string, after: number, deps: StreamDependencies): Response {
  return streamSSE(c, async (sse) => {
    const gone = new AbortController()
    sse.onAbort(() => gone.abort())
    for await (const event of jobEvents(tenantId, id, after, gone.signal, deps)) {
      if (event === null) await sse.write(': still here\n\n')
      else await sse.writeSSE({ id: String(event.id), event: event.type, data: event.data })
    }
  })
}
