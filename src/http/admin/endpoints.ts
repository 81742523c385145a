import { z } from '@hono/zod-openapi'
import { auditEntry } from '../../audit.ts'
import type { AuditStore } from '../../store/store.ts'
import { actorOf } from '../auth.ts'
import { attemptView } from '../delivery-view.ts'
import { ChangeEndpoint, EndpointSchema, EndpointSecretSchema, IdParams, RotateSecret } from '../endpoint-schemas.ts'
import { checkUrl, type EndpointRoutes, type ShowEndpoint, settingsOf, showEndpoint, TestSchema } from '../endpoints.ts'
import { answerList, listOf, pageParameters } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { json } from '../schemas.ts'

export interface AdminEndpointRoutes extends EndpointRoutes {
  audit: AuditStore
}

const one = { tag: 'Admin', role: 'admin', params: IdParams } as const
const AdminEndpointSchema = EndpointSchema.extend({ tenant_id: z.string() }).openapi('AdminEndpoint')

/** Registered endpoints of all tenants. What is done to them is audited; their secrets are their tenants'. */
export function adminEndpointRoutes(add: AddOperation, deps: AdminEndpointRoutes): void {
  const { endpoints, publicUrl } = deps
  const showOwn = showEndpoint(deps)
  const show: ShowEndpoint = async (endpoint) => ({ ...(await showOwn(endpoint)), tenant_id: endpoint.tenantId })
  add(
    {
      method: 'get',
      path: '/v1/admin/endpoints',
      tag: 'Admin',
      role: 'admin',
      summary: 'List the endpoints of all tenants, the newest first',
      query: z.object({
        tenant_id: z.string().min(1).optional(),
        trouble: z.enum(['disabled', 'open']).optional().openapi({
          description: 'Only those that are not sent to: disabled, or with an open breaker.',
        }),
        ...pageParameters,
      }),
      responses: { 200: listOf(AdminEndpointSchema, 'A page of endpoints') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => endpoints.list(input.query.tenant_id ?? null, page, input.query.trouble),
        json: async (endpoint) => JSON.stringify(await show(endpoint)),
      }),
  )
  add(
    {
      ...one,
      method: 'get',
      path: '/v1/admin/endpoints/{id}',
      summary: 'Read an endpoint of any tenant',
      responses: { 200: json(AdminEndpointSchema, 'The endpoint') },
    },
    async ({ c, params }) => {
      const endpoint = await endpoints.get(null, params.id)
      if (endpoint === null) throw notFound()
      return c.body(JSON.stringify(await show(endpoint)), 200, UNCACHED_JSON)
    },
  )
  addActs(add, deps, show)
}

function addActs(add: AddOperation, deps: AdminEndpointRoutes, show: ShowEndpoint): void {
  const { endpoints, endpointKeeper: keeper, audit, clock, egressAllow } = deps
  add(
    {
      ...one,
      method: 'patch',
      path: '/v1/admin/endpoints/{id}',
      summary: 'Change an endpoint of any tenant',
      description: 'What is not named stays. Enabling it releases what was held.',
      body: ChangeEndpoint,
      responses: { 200: json(AdminEndpointSchema, 'As it is now') },
    },
    async ({ c, caller, params, body }) => {
      if (body.url !== undefined) checkUrl(body.url, egressAllow)
      const entry = auditEntry('endpoint.change', params.id, actorOf(c, caller), clock)
      const endpoint = await keeper.change(null, params.id, settingsOf(body), entry)
      return c.body(JSON.stringify(await show(endpoint)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'post',
      path: '/v1/admin/endpoints/{id}/rotate-secret',
      summary: 'Give an endpoint of any tenant a new secret',
      body: RotateSecret,
      responses: { 200: json(EndpointSecretSchema, 'The endpoint with its new secret') },
    },
    async ({ c, caller, params, body }) => {
      const entry = auditEntry('endpoint.rotate-secret', params.id, actorOf(c, caller), clock)
      const { endpoint, secret } = await keeper.rotate(null, params.id, body.overlap_s * 1000, entry)
      return c.body(JSON.stringify({ ...(await show(endpoint)), secret }), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'post',
      path: '/v1/admin/endpoints/{id}/test',
      summary: 'Send a test event to an endpoint of any tenant',
      responses: { 200: json(TestSchema, 'What came of it') },
    },
    async ({ c, caller, params }) => {
      const endpoint = await endpoints.get(null, params.id)
      if (endpoint === null) throw notFound()
      await audit.add(auditEntry('endpoint.test', params.id, actorOf(c, caller), clock))
      const { eventId, attempt } = await deps.tryEndpoint(endpoint.tenantId, params.id)
      return c.body(JSON.stringify({ event_id: eventId, attempt: attemptView(attempt) }), 200, UNCACHED_JSON)
    },
  )
}
