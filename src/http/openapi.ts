import type { OpenAPIHono } from '@hono/zod-openapi'
import { VERSION } from '../version.ts'
import { BatchItem } from './batch.ts'
import { EventSchema } from './schemas.ts'
import { webhookOf, webhooks } from './webhooks.ts'

export type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>

const DESCRIPTION = `Posthorn accepts slow work now, answers 202, and calls back later: signed, retried, never lost.

Every error is \`application/problem+json\` (RFC 9457); its \`type\` leads to an explanation. Every answer carries \`X-Request-Id\`.
Lists are newest first and paged by \`cursor\`. Times are RFC 3339 in UTC; durations are seconds and say so (\`timeout_s\`).`

/** The OpenAPI 3.1 document of an app's operations. */
export function openApiDocument(app: OpenAPIHono, publicUrl: string): OpenApiDocument {
  const bearer = { type: 'http', scheme: 'bearer' } as const
  const registry = app.openAPIRegistry
  registry.registerComponent('securitySchemes', 'client', { ...bearer, description: 'The key of a tenant.' })
  registry.registerComponent('securitySchemes', 'admin', { ...bearer, description: 'An admin key.' })
  registry.register('JobEvent', EventSchema)
  registry.register('BatchJob', BatchItem)
  for (const type of Object.keys(webhooks) as (keyof typeof webhooks)[]) registry.registerWebhook(webhookOf(type))
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Posthorn',
      version: VERSION,
      description: DESCRIPTION,
      license: { name: 'MIT' },
    },
    servers: [{ url: publicUrl }],
  })
}
