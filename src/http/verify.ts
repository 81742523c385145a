import { z } from '@hono/zod-openapi'
import type { ReceivedRequest } from '../core/verify.ts'
import type { VerifyRequest } from '../delivery/verify.ts'
import type { AddOperation } from './operation.ts'
import { UNCACHED_JSON } from './problem.ts'
import { json } from './schemas.ts'

export interface VerifyRoutes {
  verifyRequest: VerifyRequest
}

const MAX_HEADERS = 200
/** A body of 1 MiB as a JSON string. */
const MAX_BYTES = 4 * 1024 * 1024

const ReceivedSchema = z
  .object({
    headers: z
      .record(z.string(), z.union([z.string(), z.array(z.string())]))
      .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, `must be ${MAX_HEADERS} at most`)
      .openapi({ description: 'As your receiver got them; those it does not need may be left out.' }),
    body: z.string().openapi({ description: 'What your receiver computes the signature over: the raw body.' }),
    secret: z.string().max(1000).optional().openapi({
      description: 'What your receiver verifies with: `whsec_…` or `whpk_…`. Without it all of yours are tried.',
    }),
  })
  .openapi('ReceivedRequest')

const DiagnosisSchema = z
  .object({
    valid: z.boolean(),
    reason: z.string().nullable().openapi({
      description: 'The `code` of the first check that failed: the others may follow from it.',
      example: 'body_reserialised',
    }),
    checks: z.array(
      z.object({
        name: z.enum(['headers', 'signature_header', 'secret', 'body', 'signature', 'timestamp']),
        ok: z.boolean(),
        code: z.string().nullable().openapi({ description: 'What is wrong; null when nothing is.' }),
        detail: z.string(),
      }),
    ),
  })
  .openapi('Diagnosis')

/** Help for whoever writes a receiver. */
export function verifyRoutes(add: AddOperation, { verifyRequest }: VerifyRoutes): void {
  add(
    {
      method: 'post',
      path: '/v1/verify',
      tag: 'Events',
      role: 'client',
      polled: true,
      summary: 'Find out why a signature is refused',
      description: 'Nothing is stored, and no secret is shown.',
      body: ReceivedSchema,
      maxBytes: MAX_BYTES,
      responses: { 200: json(DiagnosisSchema, 'Whether the signature is right, and if not why') },
    },
    async ({ c, caller, body }) =>
      c.body(JSON.stringify(await verifyRequest(caller.tenantId as string, receivedOf(body))), 200, UNCACHED_JSON),
  )
  add(
    {
      method: 'post',
      path: '/v1/admin/verify',
      tag: 'Admin',
      role: 'admin',
      summary: 'Find out why a receiver of any tenant refuses a signature',
      description: 'As `POST /v1/verify`, with the secrets of `tenant_id`. Nothing is stored, and no secret is shown.',
      body: ReceivedSchema.extend({
        tenant_id: z.string(),
        at: z.iso
          .datetime({ offset: true })
          .optional()
          .openapi({ description: 'When it was received; now without it.' }),
      }).openapi('ReceivedRequestOfTenant'),
      maxBytes: MAX_BYTES,
      responses: { 200: json(DiagnosisSchema, 'Whether the signature is right, and if not why') },
    },
    async ({ c, body }) => {
      const at = body.at === undefined ? null : Date.parse(body.at)
      return c.body(JSON.stringify(await verifyRequest(body.tenant_id, receivedOf(body), at)), 200, UNCACHED_JSON)
    },
  )
}

function receivedOf({ headers, body, secret }: z.infer<typeof ReceivedSchema>): ReceivedRequest {
  const joined = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')])
  return { headers: Object.fromEntries(joined) as Record<string, string>, body, secret: secret ?? null }
}
