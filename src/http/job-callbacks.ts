/** The headers of a callback, and what they say. */
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
  traceparent: { required: true, description: 'W3C Trace Context of the request that made the job.' },
}

/** The callbacks of a submission, for the OpenAPI document. */
export const jobCallbacks = {
  jobEvent: {
    '{$request.body#/callback_url}': {
      post: {
        summary: 'An event about the job',
        description: 'Signed by Standard Webhooks with the signing secret of the tenant. Delivered at least once.',
        parameters: Object.entries(HEADERS).map(([name, header]) => ({
          name,
          in: 'header' as const,
          schema: { type: 'string' as const },
          ...header,
        })),
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/JobEvent' } } },
        },
        responses: {
          '2XX': { description: 'Delivered. Anything else is tried again by the retry schedule.' },
          '410': { description: 'Gone: no further attempt is made.' },
        },
      },
    },
  },
}
