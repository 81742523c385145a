import { z } from '@hono/zod-openapi'

/** The headers of a delivery, and what they say. */
const HEADERS: Record<string, { required: boolean; description: string }> = {
  'webhook-id': { required: true, description: 'The same over every retry and replay: drop what you have seen.' },
  'webhook-timestamp': { required: true, description: 'Unix seconds of this attempt.' },
  'webhook-signature': {
    required: true,
    description: 'Standard Webhooks: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several by spaces.',
  },
  'webhook-attempt': { required: true, description: 'From 1; from 1 again after a replay.' },
  'webhook-max-attempts': { required: true, description: 'How many attempts there are at most.' },
  'webhook-replay': { required: false, description: '`true` on a replay.' },
  'webhook-hops': { required: true, description: 'To be handed on with what you submit because of it: loops end so.' },
  traceparent: { required: true, description: 'W3C Trace Context of the request it comes from.' },
}

const parameters = Object.entries(HEADERS).map(([name, header]) => ({
  name,
  in: 'header' as const,
  schema: { type: 'string' as const },
  ...header,
}))

/** What every delivery brings with it … */
export const deliveryRequest = {
  headers: z.object(
    Object.fromEntries(
      Object.entries(HEADERS).map(([name, { required, description }]) => {
        const value = z.string().openapi({ description })
        return [name, required ? value : value.optional()]
      }),
    ),
  ),
}

/** … and what its answer means. */
export const deliveryResponses = {
  '2XX': { description: 'Delivered. Anything else is tried again by the retry schedule.' },
  '410': { description: 'Gone: no further attempt is made.' },
}

/** The callbacks of a submission, for the OpenAPI document. */
export const jobCallbacks = {
  jobEvent: {
    '{$request.body#/callback_url}': {
      post: {
        summary: 'An event about the job',
        description: 'Signed by Standard Webhooks with the signing secret of the tenant. Delivered at least once.',
        parameters,
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/JobEvent' } } },
        },
        responses: deliveryResponses,
      },
    },
  },
}
