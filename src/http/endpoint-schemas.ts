import { z } from '@hono/zod-openapi'
import { headersFault } from '../core/custom-headers.ts'
import { isEventPattern } from '../core/event-types.ts'
import { decodeSecret } from '../core/signature.ts'
import { IdParams, LinkSchema, Metadata, Time } from './schemas.ts'

const Headers = z
  .record(z.string(), z.string())
  .superRefine((headers, context) => {
    const fault = headersFault(headers)
    if (fault !== null)
      context.addIssue({ code: 'custom', message: fault.text, path: fault.name === null ? [] : [fault.name] })
  })
  .openapi({ description: 'Sent with each delivery. They are stored encrypted, and shown without their values.' })

/** A wait in seconds; the sum bounds how long an event can be on its way. */
const Waits = z
  .array(z.number().min(0).max(2_592_000))
  .max(50)
  .openapi({
    description: 'Seconds to wait after the 1st, 2nd … failed attempt; then dead letter. Null: that of the platform.',
    example: [5, 300, 1800],
  })

const settings = {
  description: z.string().max(500).nullable().optional(),
  event_types: z
    .array(z.string().refine(isEventPattern, 'is not an event type, a prefix like `order.*`, or `*`'))
    .min(1)
    .max(100)
    .optional()
    .openapi({ description: '`order.paid` exactly, `order.*` for all below, `*` (the default) for all of your own.' }),
  headers: Headers.optional(),
  max_concurrency: z.int().min(1).max(1000).optional().openapi({ description: 'Attempts at once; 64 by default.' }),
  rate_limit_per_s: z
    .number()
    .min(0.01)
    .max(10_000)
    .nullable()
    .optional()
    .openapi({ description: 'Attempts a second.' }),
  retry_schedule: Waits.nullable().optional(),
  ordering: z.enum(['none', 'fifo']).optional().openapi({
    description: '`fifo`: the next event of a `key` waits until the one before is delivered or dead.',
  }),
  ed25519: z.boolean().optional().openapi({
    description: 'Deliveries carry a `v1a` signature by your Ed25519 key beside the `v1` of the secret.',
  }),
  enabled: z.boolean().optional().openapi({ description: 'While it is not, deliveries are held, never dropped.' }),
  metadata: Metadata.optional(),
}
const Url = z.string().max(2048).openapi({ format: 'uri', example: 'https://example.com/hooks' })

export const CreateEndpoint = z
  .object({
    url: Url,
    ...settings,
    secret: z
      .string()
      .refine((text) => decodeSecret(text) !== null, 'must be whsec_ and base64 of 24 to 64 bytes')
      .optional()
      .openapi({ description: 'One of your own; made when it is missing.' }),
  })
  .openapi('NewEndpoint')
export type CreateEndpoint = z.infer<typeof CreateEndpoint>

export const ChangeEndpoint = z.object({ url: Url.optional(), ...settings }).openapi('EndpointChange')
export type ChangeEndpoint = z.infer<typeof ChangeEndpoint>

export const RotateSecret = z
  .object({
    overlap_s: z.int().min(0).max(604_800).default(86_400).openapi({
      description: 'How long the old secret signs beside the new one: 0 to 7 days.',
    }),
  })
  .openapi('Rotation')

export const EndpointSchema = z
  .object({
    id: z.string(),
    url: z.string().openapi({ description: 'As it was given: it may be an IRI.' }),
    description: z.string().nullable(),
    event_types: z.array(z.string()),
    headers: z.record(z.string(), z.literal('***')).openapi({ description: 'Their names.' }),
    max_concurrency: z.int(),
    rate_limit_per_s: z.number().nullable(),
    retry_schedule: z.array(z.number()).nullable(),
    ordering: z.enum(['none', 'fifo']),
    ed25519: z.boolean(),
    public_key: z.string().optional().openapi({
      description: '`whpk_…`: what its `v1a` signatures are verified with. Not there while `ed25519` is false.',
    }),
    enabled: z.boolean(),
    disabled_reason: z.enum(['gone', 'asked', 'failing', 'client']).nullable(),
    lane: z.object({
      concurrency: z.int().openapi({ description: 'Attempts it may have at once now.' }),
      breaker: z.enum(['closed', 'open']),
      next_probe_at: Time.nullable(),
      paused_until: Time.nullable(),
      failures: z.int().openapi({ description: 'Failed attempts since the last success.' }),
      last_success_at: Time.nullable().openapi({ description: 'Exact to an hour.' }),
    }),
    metadata: z.record(z.string(), z.string()),
    created_at: Time,
    updated_at: Time.nullable(),
    links: z.array(LinkSchema),
  })
  .openapi('Endpoint')

export const EndpointSecretSchema = EndpointSchema.extend({
  secret: z.string().openapi({ description: '`whsec_…`: what deliveries are signed with.' }),
}).openapi('EndpointWithSecret')

export const SecretSchema = z.object({ secret: z.string() }).openapi('EndpointSecret')

export { IdParams }
