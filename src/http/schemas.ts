import { z } from '@hono/zod-openapi'
import { CALLBACK_EVENTS } from '../jobs/callback.ts'

// The shapes of the API's bodies. What clients send is checked with them; what they get is documented by them.

/** Keys that would reach into JavaScript's objects instead of being data. */
const RESERVED_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

export const Metadata = z
  .unknown()
  .refine((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    message: 'must be an object',
    abort: true,
  })
  .refine((value) => !Object.keys(value as object).some((key) => RESERVED_KEYS.has(key)), 'has a reserved key')
  .pipe(z.record(z.string().max(100), z.string().max(1000)))
  .refine((value) => Object.keys(value).length <= 50, 'has more than 50 members')
  .openapi({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Up to 50 strings, given back in the job and in every callback.',
    example: { order: '42' },
  })

export const SubmitJob = z
  .object({
    type: z.string().min(1).max(100).openapi({ example: 'echo', description: 'What kind of work it is.' }),
    payload: z
      .unknown()
      .optional()
      .openapi({ type: 'object', description: 'The input, as the handler of the type takes it.' }),
    callback_url: z
      .string()
      .optional()
      .openapi({ format: 'uri', description: 'Where events about the job are sent. Without it, poll.' }),
    callback: z
      .object({ endpoint_id: z.string() })
      .optional()
      .openapi({ description: 'Instead of `callback_url`: a registered endpoint, with a secret of its own.' }),
    callback_events: z.array(z.enum(CALLBACK_EVENTS)).min(1).optional().openapi({
      description:
        'Default: `job.completed`, `job.failed`, `job.cancelled`. `job.progress` comes at most once a second.',
    }),
    priority: z.int().min(0).max(9).default(5).openapi({ description: '0 first … 9 last.' }),
    run_at: z.iso.datetime({ offset: true }).optional().openapi({ description: 'Not before this.' }),
    deadline_s: z.int().min(1).max(31_536_000).optional().openapi({
      description: 'Not finished within this many seconds: failed with the code `deadline_exceeded`.',
    }),
    timeout_s: z.int().min(1).max(86_400).optional().openapi({ description: 'Of one run of the handler.' }),
    max_attempts: z.int().min(1).max(100).optional().openapi({ description: 'Runs in all, the first included.' }),
    result_ttl_s: z.int().min(60).max(31_536_000).optional(),
    metadata: Metadata.optional(),
  })
  .refine((job) => job.callback === undefined || job.callback_url === undefined, {
    path: ['callback'],
    message: 'must not be there together with callback_url',
  })
  .openapi('JobSubmission')
export type SubmitJob = z.infer<typeof SubmitJob>

export const LinkSchema = z.object({ href: z.url(), rel: z.string(), method: z.enum(['GET', 'POST', 'DELETE']) })
export const Time = z.iso.datetime()

export const AcceptedSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    priority: z.int(),
    max_attempts: z.int(),
    created_at: Time,
    run_at: Time,
    links: z.array(LinkSchema),
    metadata: z.record(z.string(), z.string()),
  })
  .openapi('AcceptedJob')

export const MinimalSchema = AcceptedSchema.pick({ id: true, links: true }).openapi('MinimalJob')

const JobErrorSchema = z
  .object({ code: z.string(), title: z.string(), detail: z.string(), status: z.int(), data: z.unknown().optional() })
  .openapi('JobError')

export const DELIVERY_STATUSES = ['waiting', 'pending', 'held', 'delivering', 'delivered', 'dead'] as const

export const DEAD_REASONS = [
  'exhausted',
  'gone',
  'rejected',
  'blocked_address',
  'expired',
  'endpoint_deleted',
  'invalid',
] as const

export const JobSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']),
    progress: z.int().min(0).max(100),
    message: z.string().nullable(),
    attempt: z.int(),
    max_attempts: z.int(),
    priority: z.int(),
    created_at: Time,
    run_at: Time,
    started_at: Time.nullable(),
    finished_at: Time.nullable(),
    estimated_completion: Time.nullable().openapi({ description: 'By recent runs of the type; null without any.' }),
    expires_at: Time.nullable().openapi({ description: 'Until when the result is kept.' }),
    callback: z
      .object({ status: z.enum(DELIVERY_STATUSES), delivery_id: z.string() })
      .nullable()
      .openapi({ description: 'The delivery of the event that finished the job. A job can be completed and it dead.' }),
    result_url: z.url().optional().openapi({ description: 'Instead of `result` when that is over 256 KiB.' }),
    links: z.array(LinkSchema),
    metadata: z.record(z.string(), z.string()),
    error: JobErrorSchema.nullable(),
    last_error: JobErrorSchema.optional().openapi({ description: 'What the last run failed with, before a retry.' }),
    result: z.unknown().optional(),
  })
  .openapi('Job')

export const QueueSchema = JobSchema.extend({
  position: z.int().optional().openapi({ description: 'Ready jobs of the type that are ahead, below 1,000.' }),
  position_at_least: z.int().optional().openapi({ description: 'Instead of `position` from 1,000 on.' }),
}).openapi('QueuedJob')

export const DeliverySchema = z
  .object({
    id: z.string(),
    event_id: z.string(),
    event_type: z.string(),
    endpoint_id: z.string(),
    job_id: z.string().nullable(),
    url: z.string().openapi({ description: 'As it was given: it may be an IRI.' }),
    status: z.enum(DELIVERY_STATUSES),
    attempt_count: z.int().openapi({ description: 'Attempts begun since it was made or last replayed.' }),
    replay_count: z.int(),
    next_attempt_at: Time.nullable(),
    last_status: z.int().nullable(),
    last_error: z.object({ class: z.string(), text: z.string() }).nullable(),
    created_at: Time,
    finished_at: Time.nullable(),
    links: z.array(LinkSchema),
  })
  .openapi('Delivery')

const PhasesSchema = z.object({
  dns: z.number().nullable(),
  connect: z.number().nullable(),
  tls: z.number().nullable(),
  firstByte: z.number().nullable(),
  total: z.number(),
})

export const AttemptSchema = z
  .object({
    number: z.int().openapi({ description: 'The `webhook-attempt` it carried.' }),
    outcome: z.enum(['delivered', 'failed', 'lost']),
    started_at: Time,
    duration_ms: z.int(),
    phases_ms: PhasesSchema.nullable(),
    remote_address: z.string().nullable(),
    request_headers: z.record(z.string(), z.string()).nullable(),
    status: z.int().nullable(),
    response_headers: z.record(z.string(), z.string()).nullable(),
    response_body: z.string().nullable().openapi({ description: 'At most 16 KiB, undecoded, shown as UTF-8.' }),
    response_truncated: z.boolean(),
    error: z.object({ class: z.string().nullable(), text: z.string() }).nullable(),
    next_attempt_at: Time.nullable(),
  })
  .openapi('Attempt')

export const DeliveryWithAttempts = DeliverySchema.extend({ attempts: z.array(AttemptSchema) }).openapi(
  'DeliveryWithAttempts',
)

export const DeadLetterSchema = z
  .object({
    id: z.string(),
    tenant_id: z.string(),
    delivery_id: z.string(),
    event_id: z.string(),
    endpoint_id: z.string(),
    reason: z.enum(DEAD_REASONS),
    last_status: z.int().nullable(),
    error_class: z.string().nullable(),
    fingerprint: z.string(),
    attempts: z.int(),
    first_attempt_at: Time.nullable(),
    last_attempt_at: Time.nullable(),
    died_at: Time,
    replayed_at: Time.nullable(),
    replayed_by: z.string().nullable(),
    links: z.array(LinkSchema),
  })
  .openapi('DeadLetter')

export const FileSchema = z
  .object({ id: z.string(), size: z.int(), sha256: z.string(), content_type: z.string(), links: z.array(LinkSchema) })
  .openapi('File')

export const EventSchema = z
  .object({ type: z.enum(CALLBACK_EVENTS), timestamp: Time, data: JobSchema })
  .openapi('JobEvent', { description: 'What a callback brings: Standard Webhooks payload.' })

/** Ids in paths: what cannot be one of ours is not looked up, and answered like an unknown one. */
export const IdParams = z.object({ id: z.string() })

/** Of what can be waited for. */
export const PREFER = z.object({
  prefer: z.string().optional().openapi({ description: '`wait=N`: answer when it is finished.', example: 'wait=20' }),
})

/** A JSON response for the OpenAPI document. */
export function json(schema: z.ZodType, description: string) {
  return { description, content: { 'application/json': { schema } } }
}
