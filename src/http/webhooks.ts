import { z } from '@hono/zod-openapi'
import { deliveryRequest, deliveryResponses } from './job-callbacks.ts'
import { DEAD_REASONS, Time } from './schemas.ts'

const about = { endpoint_id: z.string(), url: z.string() }
const lane = { ...about, last_success_at: Time.nullable() }

/** What registered endpoints receive, by type, beside a tenant's own events: what each means, and its `data`. */
export const webhooks = {
  'endpoint.disabled': {
    summary: 'Deliveries to an endpoint are held from now on',
    data: z.object({ ...lane, reason: z.enum(['gone', 'asked', 'failing', 'client']), failures: z.int() }),
  },
  'endpoint.recovered': {
    summary: 'An endpoint that did not answer does so again',
    data: z.object(lane),
  },
  'delivery.dead': {
    summary: 'A delivery was given up',
    data: z.object({
      dead_letter_id: z.string(),
      delivery_id: z.string(),
      event_id: z.string(),
      event_type: z.string(),
      endpoint_id: z.string(),
      reason: z.enum(DEAD_REASONS),
      attempts: z.int(),
      last_status: z.int().nullable(),
      error_class: z.string().nullable(),
    }),
  },
  'backlog.high': {
    summary: 'Something has been due for an endpoint for more than five minutes',
    data: z.object({
      ...about,
      pending: z.int().openapi({ description: 'Counted to 10,000.' }),
      oldest_due_at: Time,
      breaker: z.enum(['closed', 'open']),
    }),
  },
  'webhook.test': {
    summary: 'Somebody tries an endpoint out',
    data: z.object({ endpoint_id: z.string(), message: z.string() }),
  },
}

/** One of them, for the OpenAPI document. */
export function webhookOf(type: keyof typeof webhooks) {
  const { summary, data } = webhooks[type]
  const schema = z.object({ type: z.literal(type), timestamp: Time, data })
  return {
    method: 'post' as const,
    path: type,
    operationId: type,
    tags: ['Webhooks'],
    summary,
    description: 'Sent to endpoints that subscribe to it by name or prefix; `webhook.test` to the one that is tried.',
    request: { ...deliveryRequest, body: { required: true, content: { 'application/json': { schema } } } },
    responses: deliveryResponses,
  }
}
