import { z } from '@hono/zod-openapi'
import { isoTime, isoTimeOrNull } from '../../core/job-view.ts'
import type { Tenant, TenantStore } from '../../store/store.ts'
import type { TenantSettings, Tenants } from '../../tenants/tenants.ts'
import { actorOf } from '../auth.ts'
import { withHeaders } from '../documented.ts'
import { RotateSecret } from '../endpoint-schemas.ts'
import { idempotencyKey } from '../idempotency.ts'
import { answerList, listOf, pageParameters } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { IdParams, json, LinkSchema, Time } from '../schemas.ts'

export interface TenantRoutes {
  tenants: TenantStore
  tenantKeeper: Tenants
  requireIdempotencyKey: boolean
  publicUrl: string
}

const tag = 'Admin'
const PerS = z.number().min(0.1).max(100_000).nullable().optional()
const limits = {
  poll_limit_per_s: PerS.openapi({
    description: 'How often each of its keys may ask for jobs, a second, in each process. Null: as configured.',
  }),
  request_limit_per_s: PerS.openapi({
    description: 'How often all of its keys together may call, a second, in each process. Null: no limit.',
  }),
}
const Name = z.string().trim().min(1).max(200)
const NewTenant = z.object({ name: Name, ...limits }).openapi('NewTenant')
const ChangeTenant = z.object({ name: Name.optional(), ...limits }).openapi('TenantChange')
const TenantSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    poll_limit_per_s: z.number().nullable(),
    request_limit_per_s: z.number().nullable(),
    public_key: z.string().nullable().openapi({ description: 'Ed25519: `whpk_…`, once an endpoint has asked for it.' }),
    created_at: Time,
    updated_at: Time.nullable(),
    links: z.array(LinkSchema),
  })
  .openapi('Tenant')
const TenantSecretSchema = TenantSchema.extend({
  signing_secret: z.string().openapi({ description: 'Signs callbacks to URLs of jobs.' }),
}).openapi('TenantWithSecret')

/** Customers of the platform. They are never deleted: what they own has to go first, and then they cost nothing. */
export function tenantRoutes(add: AddOperation, deps: TenantRoutes): void {
  const { tenants, tenantKeeper: keeper, publicUrl } = deps
  const show = (tenant: Tenant) => tenantView(tenant, publicUrl)
  const collection = { path: '/v1/admin/tenants', tag, role: 'admin' } as const
  add(
    {
      ...collection,
      method: 'post',
      summary: 'Make a tenant',
      description: 'It has a signing secret of its own, and no keys yet: see `POST /v1/admin/keys`.',
      body: NewTenant,
      headers: z.object({ 'idempotency-key': z.string().optional() }),
      responses: {
        201: withHeaders(json(TenantSecretSchema, 'The tenant with its secret'), 'Location', 'Idempotent-Replayed'),
        409: { description: 'Another tenant has this name, or the idempotency key is being used at this moment' },
      },
    },
    async ({ c, caller, body, raw }) => {
      const key = idempotencyKey(c, raw, deps.requireIdempotencyKey)
      const order = { ...settingsOf(body), name: body.name }
      const made = await keeper.create(order, key?.key ?? null, actorOf(c, caller))
      if (made.repeated) c.header('idempotent-replayed', 'true')
      const shown = { ...show(made.tenant), signing_secret: made.secret }
      const location = `${publicUrl}/v1/admin/tenants/${shown.id}`
      return c.body(JSON.stringify(shown), 201, { ...UNCACHED_JSON, location })
    },
  )
  add(
    {
      ...collection,
      method: 'get',
      summary: 'List tenants, the newest first',
      query: z.object(pageParameters),
      responses: { 200: listOf(TenantSchema, 'A page of tenants') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => tenants.list(page),
        json: (tenant) => JSON.stringify(show(tenant)),
      }),
  )
  addOne(add, deps)
}

function addOne(add: AddOperation, { tenants, tenantKeeper: keeper, publicUrl }: TenantRoutes): void {
  const one = { tag, role: 'admin', params: IdParams } as const
  add(
    {
      ...one,
      method: 'get',
      path: '/v1/admin/tenants/{id}',
      summary: 'Read a tenant',
      responses: { 200: json(TenantSchema, 'The tenant') },
    },
    async ({ c, params }) => {
      const tenant = await tenants.findTenant(params.id)
      if (tenant === null) throw notFound()
      return c.body(JSON.stringify(tenantView(tenant, publicUrl)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'patch',
      path: '/v1/admin/tenants/{id}',
      summary: 'Change a tenant',
      description: 'What is not named stays.',
      body: ChangeTenant,
      responses: {
        200: json(TenantSchema, 'As it is now'),
        409: { description: 'Another tenant has this name' },
      },
    },
    async ({ c, caller, params, body }) => {
      const tenant = await keeper.change(params.id, settingsOf(body), actorOf(c, caller))
      return c.body(JSON.stringify(tenantView(tenant, publicUrl)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'post',
      path: '/v1/admin/tenants/{id}/rotate-secret',
      summary: 'Give it a new signing secret',
      description: 'Callbacks to URLs of jobs carry both signatures, the new one first, until the overlap is over.',
      body: RotateSecret,
      responses: { 200: json(TenantSecretSchema, 'The tenant with its new secret') },
    },
    async ({ c, caller, params, body }) => {
      const { tenant, secret } = await keeper.rotate(params.id, body.overlap_s * 1000, actorOf(c, caller))
      const shown = { ...tenantView(tenant, publicUrl), signing_secret: secret }
      return c.body(JSON.stringify(shown), 200, UNCACHED_JSON)
    },
  )
}

function settingsOf(body: z.infer<typeof ChangeTenant>): TenantSettings {
  return { name: body.name, pollLimitPerS: body.poll_limit_per_s, requestLimitPerS: body.request_limit_per_s }
}

function tenantView(tenant: Tenant, publicUrl: string): z.infer<typeof TenantSchema> {
  const url = `${publicUrl}/v1/admin/tenants/${tenant.id}`
  return {
    id: tenant.id,
    name: tenant.name,
    poll_limit_per_s: tenant.pollLimitPerS,
    request_limit_per_s: tenant.requestLimitPerS,
    public_key: tenant.publicKey,
    created_at: isoTime(tenant.createdAt),
    updated_at: isoTimeOrNull(tenant.updatedAt),
    links: [
      { href: url, rel: 'self', method: 'GET' },
      { href: `${publicUrl}/v1/admin/keys?tenant_id=${tenant.id}`, rel: 'keys', method: 'GET' },
      { href: `${publicUrl}/v1/admin/endpoints?tenant_id=${tenant.id}`, rel: 'endpoints', method: 'GET' },
    ],
  }
}
