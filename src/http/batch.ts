import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { parseIdempotencyKey, requestFingerprint } from '../core/idempotency.ts'
import { acceptedJson } from '../core/job-view.ts'
import { AppError } from '../errors.ts'
import type { NewKey } from '../store/store.ts'
import { checked } from './body.ts'
import { withHeaders } from './documented.ts'
import type { AddOperation } from './operation.ts'
import { asAppError, problemOf, UNCACHED_JSON } from './problem.ts'
import { AcceptedSchema, json, SubmitJob } from './schemas.ts'
import { jobRequest, type SubmitRoutes } from './submit.ts'
import { cameRound, traceOf } from './trace.ts'

const MAX_JOBS = 1000
/** A job has 12 of its own, up to 50 in its metadata, and the kinds of its events. */
const MAX_ITEM_MEMBERS = 100
const MAX_BYTES = 8 * 1024 * 1024

export const BatchItem = SubmitJob.extend({
  idempotency_key: z.string().optional().openapi({ description: 'Of this job, as `Idempotency-Key` is of one alone.' }),
}).openapi('BatchJob')

// Each item is checked by itself, so that one that is wrong does not refuse the others.
const Batch = z.object({
  jobs: z
    .array(z.unknown())
    .min(1)
    .max(MAX_JOBS)
    .openapi({ type: 'array', items: { $ref: '#/components/schemas/BatchJob' } }),
})

const BatchAnswer = z.object({
  data: z.array(
    z.object({
      status: z.int().openapi({ description: 'What the job alone would have been answered with.' }),
      replayed: z.boolean().optional().openapi({ description: 'The key had made the job before.' }),
      job: AcceptedSchema.optional(),
      problem: z.unknown().optional(),
    }),
  ),
})

/** Many submissions in one request: each is accepted or refused by itself. */
export function batchRoutes(add: AddOperation, deps: SubmitRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/jobs/batch',
      tag: 'Jobs',
      role: 'client',
      summary: 'Submit many jobs',
      description: `Up to ${MAX_JOBS} jobs and 8 MiB. The answer has an item for each, in their order.`,
      body: Batch,
      maxBytes: MAX_BYTES,
      responses: {
        200: withHeaders(json(BatchAnswer, 'An item for each job: accepted, or its problem'), 'Retry-After'),
        508: cameRound,
      },
    },
    async ({ c, caller, body }) => {
      if (c.req.header('idempotency-key') !== undefined || c.req.header('paypal-request-id') !== undefined) {
        throw new AppError('malformed-request', 'Each job of a batch has its own idempotency_key; the batch has none.')
      }
      const trace = traceOf(c, deps.clock.newHex)
      const items = await Promise.all(
        body.jobs.map((item) => submitOne(c, item, caller.tenantId as string, trace, deps)),
      )
      return c.body(`{"data":[${items.join(',')}]}`, 200, UNCACHED_JSON)
    },
  )
}

async function submitOne(
  c: Context,
  item: unknown,
  tenantId: string,
  traceparent: string,
  deps: SubmitRoutes,
): Promise<string> {
  try {
    const body = checked(BatchItem, item, 'body', MAX_ITEM_MEMBERS)
    const key = itemKey(body.idempotency_key, item, deps.requireIdempotencyKey)
    const accepted = await deps.accept({ ...jobRequest(body, tenantId), traceparent, key })
    const replayed = accepted.kind === 'repeated' ? '"replayed":true,' : ''
    return `{"status":202,${replayed}"job":${acceptedJson(accepted.job, deps.publicUrl)}}`
  } catch (error) {
    // Others may be stored already: each has its own answer, also when the database fails in the middle.
    const { code, message, details, status, headers } = asAppError(error, deps.events)
    // There is one answer for all: it says when those that were too many may be sent again.
    if (headers['retry-after'] !== undefined) c.header('retry-after', headers['retry-after'])
    const place = { publicUrl: deps.publicUrl, instance: c.req.path, requestId: String(c.get('requestId')) }
    return JSON.stringify({ status, problem: problemOf(code, message, details, place) })
  }
}

function itemKey(text: string | undefined, item: unknown, required: boolean): NewKey | null {
  const field = '/idempotency_key'
  if (text === undefined) {
    if (required) throw new AppError('idempotency-key-required', 'The member idempotency_key is missing.')
    return null
  }
  const key = parseIdempotencyKey(text)
  if (key !== null) return { key, fingerprint: requestFingerprint('POST', '/v1/jobs/batch', JSON.stringify(item)) }
  const issue = 'must be 1 to 255 visible characters'
  throw new AppError('invalid-request', `idempotency_key ${issue}.`, { details: [{ field, issue, location: 'body' }] })
}
