import { z } from '@hono/zod-openapi'
import { isoTime, isoTimeOrNull } from '../../core/job-view.ts'
import type { ApiKey, KeyStore } from '../../store/store.ts'
import type { ApiKeys } from '../../tenants/api-keys.ts'
import { actorOf } from '../auth.ts'
import { withHeaders } from '../documented.ts'
import { idempotencyKey } from '../idempotency.ts'
import { answerList, listOf, pageParameters } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { IdParams, json, Time } from '../schemas.ts'

export interface KeyRoutes {
  keys: KeyStore
  apiKeyKeeper: ApiKeys
  requireIdempotencyKey: boolean
  publicUrl: string
}

const tag = 'Admin'
const NewKeySchema = z
  .object({
    role: z.enum(['client', 'admin']),
    tenant_id: z.string().optional().openapi({ description: 'Whose key it is; needed for `client`, not for `admin`.' }),
    name: z.string().trim().min(1).max(200),
    expires_at: z.iso.datetime({ offset: true }).optional(),
  })
  .refine(({ role, tenant_id: tenantId }) => (role === 'client') === (tenantId !== undefined), {
    path: ['tenant_id'],
    message: 'is needed for the role client, and for no other',
  })
  .openapi('NewApiKey')
const ApiKeySchema = z
  .object({
    id: z.string(),
    role: z.enum(['client', 'admin']),
    tenant_id: z.string().nullable(),
    name: z.string(),
    prefix: z.string(),
    last_four: z.string(),
    created_at: Time,
    expires_at: Time.nullable(),
    last_used_at: Time.nullable().openapi({ description: 'Exact to a minute.' }),
    revoked_at: Time.nullable(),
  })
  .openapi('ApiKey')
const ShownKeySchema = ApiKeySchema.extend({
  key: z.string().nullable().openapi({ description: 'Shown this one time; null when the request is repeated.' }),
}).openapi('ApiKeyWithSecret')

/** What callers are known by. */
export function keyRoutes(add: AddOperation, deps: KeyRoutes): void {
  const { keys, apiKeyKeeper: keeper, publicUrl } = deps
  const collection = { path: '/v1/admin/keys', tag, role: 'admin' } as const
  add(
    {
      ...collection,
      method: 'post',
      summary: 'Make an API key',
      description: 'The key is shown once: only its SHA-256 is stored.',
      body: NewKeySchema,
      headers: z.object({ 'idempotency-key': z.string().optional() }),
      responses: {
        201: withHeaders(json(ShownKeySchema, 'The key'), 'Idempotent-Replayed'),
        409: { description: 'Another request with this idempotency key is just being stored' },
      },
    },
    async ({ c, caller, body, raw }) => {
      const key = idempotencyKey(c, raw, deps.requireIdempotencyKey)
      const { role, name, tenant_id: tenantId = null, expires_at: expires } = body
      const order = { role, tenantId, name, expiresAt: expires === undefined ? null : Date.parse(expires) }
      const { apiKey, secret } = await keeper.create(order, key?.key ?? null, actorOf(c, caller))
      if (secret === null) c.header('idempotent-replayed', 'true')
      return c.body(JSON.stringify({ ...keyView(apiKey), key: secret }), 201, UNCACHED_JSON)
    },
  )
  add(
    {
      ...collection,
      method: 'get',
      summary: 'List API keys, the newest first',
      description: 'Also those that are revoked. The keys themselves are not there.',
      query: z.object({ tenant_id: z.string().min(1).optional(), ...pageParameters }),
      responses: { 200: listOf(ApiKeySchema, 'A page of keys') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => keys.list(input.query.tenant_id, page),
        json: (key) => JSON.stringify(keyView(key)),
      }),
  )
  add(
    {
      method: 'get',
      path: '/v1/admin/keys/{id}',
      tag,
      role: 'admin',
      params: IdParams,
      summary: 'Read an API key',
      responses: { 200: json(ApiKeySchema, 'The key, without itself') },
    },
    async ({ c, params }) => {
      const key = await keys.get(params.id)
      if (key === null) throw notFound()
      return c.body(JSON.stringify(keyView(key)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      method: 'post',
      path: '/v1/admin/keys/{id}/revoke',
      tag,
      role: 'admin',
      params: IdParams,
      summary: 'Revoke an API key',
      description: 'From the answer on nobody calls with it. Requests that were let in before are finished.',
      responses: { 200: json(ApiKeySchema, 'The key, revoked') },
    },
    async ({ c, caller, params }) => {
      const revoked = await keeper.revoke(params.id, actorOf(c, caller))
      return c.body(JSON.stringify(keyView(revoked)), 200, UNCACHED_JSON)
    },
  )
}

function keyView(key: ApiKey): z.infer<typeof ApiKeySchema> {
  return {
    id: key.id,
    role: key.role,
    tenant_id: key.tenantId,
    name: key.name,
    prefix: key.prefix,
    last_four: key.lastFour,
    created_at: isoTime(key.createdAt),
    expires_at: isoTimeOrNull(key.expiresAt),
    last_used_at: isoTimeOrNull(key.lastUsedAt),
    revoked_at: isoTimeOrNull(key.revokedAt),
  }
}
