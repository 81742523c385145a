import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { isFinished, type Job } from '../core/job.ts'
import { acceptedJson, jobLinks } from '../core/job-view.ts'
import { type Preferences, parsePrefer } from '../core/prefer.ts'
import { AppError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { AcceptJob, JobRequest } from '../jobs/accept.ts'
import { checked, parseJson } from './body.ts'
import { withHeaders } from './documented.ts'
import { idempotencyKey } from './idempotency.ts'
import { type AnswerDependencies, showJob, unsuccessful } from './job-answer.ts'
import { jobCallbacks } from './job-callbacks.ts'
import type { AddOperation } from './operation.ts'
import { JSON_TYPE, problemResponse } from './problem.ts'
import { AcceptedSchema, JobSchema, json, MinimalSchema, SubmitJob } from './schemas.ts'
import { cameRound, traceOf } from './trace.ts'

export interface SubmitRoutes extends AnswerDependencies {
  accept: AcceptJob
  events: BusinessEvents
  requireIdempotencyKey: boolean
}

/** A new job has no estimate yet worth computing; the status URL has one. */
const FIRST_RETRY_AFTER_S = '1'

/** What `handling=strict` takes: no member that would be overlooked. */
const StrictSubmission = SubmitJob.strict()

const PREFER = `Without \`Prefer\` the request is held until the job is finished and answered with it; after the sync
timeout 504, and the job goes on. \`respond-async\` gets 202 at once, \`respond-async, wait=N\` after up to N seconds.`

export function submitRoutes(add: AddOperation, deps: SubmitRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/jobs',
      tag: 'Jobs',
      role: 'client',
      summary: 'Submit a job',
      description: `${PREFER}\n\nWith an \`Idempotency-Key\`, the same request again gets the same 202, byte for byte, or
the answer the first would have got, and makes no second job.`,
      body: SubmitJob,
      headers: z.object({
        'idempotency-key': z.string().optional().openapi({ description: '1 to 255 visible characters.' }),
        'paypal-request-id': z.string().optional().openapi({ description: 'The same key; a repeat is answered 200.' }),
        prefer: z.string().optional().openapi({ example: 'respond-async, wait=5' }),
        traceparent: z.string().optional(),
      }),
      responses: {
        200: withHeaders(
          json(JobSchema, 'Finished while the request was held'),
          'ETag',
          'Sunset',
          'Idempotent-Replayed',
        ),
        202: withHeaders(
          json(z.union([AcceptedSchema, MinimalSchema]), 'Accepted; with `return=minimal` the id and the links'),
          'Location',
          'Retry-After',
          'Preference-Applied',
          'Idempotent-Replayed',
        ),
        410: { description: 'The job of this key has expired' },
        409: {
          description:
            'The job was cancelled while the request was held, or another request with the key is just being stored',
        },
        422: { description: 'Unknown type, forbidden callback URL, reused key; or the job failed: `error` says why' },
        502: { description: 'The job failed because of another service; `error` says why' },
        503: { description: 'Too many jobs wait; nothing was stored' },
        504: { description: 'Not finished while the request was held, or in its own time; `links` lead to the job' },
        508: cameRound,
      },
      callbacks: jobCallbacks,
    },
    async ({ c, caller, body, raw }) => {
      const prefer = parsePrefer(c.req.header('prefer'))
      if (prefer.strict) checked(StrictSubmission, parseJson(raw), 'body')
      const key = idempotencyKey(c, raw, deps.requireIdempotencyKey)
      const request = jobRequest(body, caller.tenantId as string)
      const accepted = await deps.accept({
        ...request,
        traceparent: traceOf(c, deps.clock.newHex),
        key: key?.key ?? null,
      })
      const repeated = accepted.kind === 'repeated'
      if (repeated) c.header('idempotent-replayed', 'true')
      const job = await hold(c, accepted.job, prefer, deps)
      if (repeated && key?.profile === 'paypal') return currentState(c, job, deps)
      // Who did not want to wait gets the same 202 again, also when the job has finished since.
      const atOnce = prefer.respondAsync && prefer.waitS === null
      return isFinished(job.status) && !atOnce ? finishedAnswer(c, job, deps) : unfinishedAnswer(c, job, prefer, deps)
    },
  )
}

/** A submission's members in our units; what comes from its headers is added by the caller. */
export function jobRequest(body: SubmitJob, tenantId: string): Omit<JobRequest, 'traceparent' | 'key'> {
  const ms = (seconds: number | undefined) => (seconds === undefined ? null : seconds * 1000)
  return {
    tenantId,
    type: body.type,
    payload: body.payload ?? {},
    callbackUrl: body.callback_url ?? null,
    endpointId: body.callback?.endpoint_id ?? null,
    callbackEvents: body.callback_events ?? null,
    priority: body.priority,
    runAt: body.run_at === undefined ? null : Date.parse(body.run_at),
    deadlineMs: ms(body.deadline_s),
    timeoutMs: ms(body.timeout_s),
    maxAttempts: body.max_attempts ?? null,
    resultTtlMs: ms(body.result_ttl_s),
    metadata: body.metadata === undefined ? null : JSON.stringify(body.metadata),
  }
}

/** RFC 7240 §4.1, §4.3: `wait` bounds how long the request is held; `respond-async` alone is not held at all. */
async function hold(c: Context, job: Job, prefer: Preferences, deps: SubmitRoutes): Promise<Job> {
  const askedMs = prefer.waitS === null ? null : prefer.waitS * 1000
  const holdMs = Math.min(askedMs ?? (prefer.respondAsync ? 0 : deps.syncTimeoutMs), deps.syncTimeoutMs)
  if (holdMs === 0) return job
  return (await deps.awaitJob(job.tenantId, job.id, holdMs, c.req.raw.signal)) ?? job
}

async function finishedAnswer(c: Context, job: Job, deps: SubmitRoutes): Promise<Response> {
  refuseExpired(job)
  if (job.status === 'failed' || job.status === 'cancelled') return unsuccessful(c, job, deps.publicUrl)
  return currentState(c, job, deps)
}

async function currentState(c: Context, job: Job, deps: SubmitRoutes): Promise<Response> {
  refuseExpired(job)
  const { json: body, headers } = await showJob(job, deps)
  return c.body(body, 200, { ...headers, 'cache-control': 'no-store' })
}

function refuseExpired(job: Job): void {
  if (job.expiredAt !== null) throw new AppError('expired', 'The job of this key has expired; its result is gone.')
}

function unfinishedAnswer(
  c: Context,
  job: Job,
  prefer: Preferences,
  { publicUrl, syncTimeoutMs }: SubmitRoutes,
): Response {
  const links = jobLinks({ ...job, status: 'pending' }, publicUrl)
  if (!prefer.respondAsync) {
    const error = new AppError('sync-timeout', 'The job did not finish while the request was held; it goes on.')
    return problemResponse(c, error, publicUrl, { links })
  }
  const body = prefer.minimal ? JSON.stringify({ id: job.id, links }) : acceptedJson(job, publicUrl)
  return c.body(body, 202, {
    'content-type': JSON_TYPE,
    location: `${publicUrl}/v1/jobs/${job.id}/status`,
    'retry-after': FIRST_RETRY_AFTER_S,
    'cache-control': 'no-store',
    'preference-applied': applied(prefer, syncTimeoutMs),
  })
}

/** RFC 7240 §3: what was honoured of it, without parameters. */
function applied({ waitS, minimal }: Preferences, maxMs: number): string {
  const wait = waitS === null || waitS * 1000 > maxMs ? [] : [`wait=${waitS}`]
  return ['respond-async', ...wait, ...(minimal ? ['return=minimal'] : [])].join(', ')
}
