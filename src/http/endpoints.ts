import { z } from '@hono/zod-openapi'
import type { Clock } from '../clock.ts'
import type { EndpointSettings, Endpoints } from '../delivery/endpoints.ts'
import type { CustomHeaders } from '../delivery/signing-keys.ts'
import type { TenantKeys } from '../delivery/tenant-keys.ts'
import type { TryEndpoint } from '../delivery/try-endpoint.ts'
import { type EgressAllow, judgeUrl } from '../egress/judge.ts'
import { AppError } from '../errors.ts'
import type { Endpoint, EndpointStore } from '../store/store.ts'
import { attemptView } from './delivery-view.ts'
import { withHeaders } from './documented.ts'
import {
  ChangeEndpoint,
  CreateEndpoint,
  EndpointSchema,
  EndpointSecretSchema,
  IdParams,
  RotateSecret,
  SecretSchema,
} from './endpoint-schemas.ts'
import { endpointView } from './endpoint-view.ts'
import { idempotencyKey } from './idempotency.ts'
import { answerList, listOf, pageParameters } from './lists.ts'
import type { AddOperation } from './operation.ts'
import { notFound, UNCACHED_JSON } from './problem.ts'
import { AttemptSchema, json } from './schemas.ts'

export interface EndpointRoutes {
  endpoints: EndpointStore
  endpointKeeper: Endpoints
  customHeaders: CustomHeaders
  tenantKeys: TenantKeys
  tryEndpoint: TryEndpoint
  egressAllow: EgressAllow
  requireIdempotencyKey: boolean
  clock: Clock
  publicUrl: string
}

export type ShowEndpoint = (endpoint: Endpoint) => Promise<ReturnType<typeof endpointView>>

const tag = 'Endpoints'
export const TestSchema = z.object({ event_id: z.string(), attempt: AttemptSchema }).openapi('EndpointTest')

export function showEndpoint({ tenantKeys, publicUrl, customHeaders, clock }: EndpointRoutes): ShowEndpoint {
  return async (endpoint) => {
    const publicKey = endpoint.ed25519 === 0 ? null : await tenantKeys.publicKey(endpoint.tenantId)
    return endpointView(endpoint, publicKey, publicUrl, customHeaders, clock.now())
  }
}

export function endpointRoutes(add: AddOperation, deps: EndpointRoutes): void {
  const { endpoints, endpointKeeper: keeper, egressAllow } = deps
  const show = showEndpoint(deps)
  addCollection(add, deps, show)
  const one = { tag, role: 'client', params: IdParams } as const
  add(
    {
      ...one,
      method: 'get',
      path: '/v1/endpoints/{id}',
      summary: 'Read an endpoint',
      responses: { 200: json(EndpointSchema, 'The endpoint') },
    },
    async ({ c, caller, params }) => {
      const endpoint = await endpoints.get(caller.tenantId, params.id)
      if (endpoint === null) throw notFound()
      return c.body(JSON.stringify(await show(endpoint)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'patch',
      path: '/v1/endpoints/{id}',
      summary: 'Change an endpoint',
      description: 'What is not named stays. Enabling it releases what was held.',
      body: ChangeEndpoint,
      responses: { 200: json(EndpointSchema, 'As it is now') },
    },
    async ({ c, caller, params, body }) => {
      if (body.url !== undefined) checkUrl(body.url, egressAllow)
      const endpoint = await keeper.change(caller.tenantId, params.id, settingsOf(body))
      return c.body(JSON.stringify(await show(endpoint)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'delete',
      path: '/v1/endpoints/{id}',
      summary: 'Delete an endpoint',
      description: 'What still waits for it becomes dead letters with the reason `endpoint_deleted`.',
      responses: { 204: { description: 'It is gone' } },
    },
    async ({ c, caller, params }) => {
      await keeper.remove(caller.tenantId, params.id)
      return c.body(null, 204)
    },
  )
  addSecrets(add, deps, show)
  add(
    {
      ...one,
      method: 'post',
      path: '/v1/endpoints/{id}/test',
      summary: 'Send a test event now',
      description: 'A `webhook.test` event, signed like any other, sent once; also to an endpoint that is disabled.',
      responses: { 200: json(TestSchema, 'What came of it') },
    },
    async ({ c, caller, params }) => {
      const { eventId, attempt } = await deps.tryEndpoint(caller.tenantId as string, params.id)
      return c.body(JSON.stringify({ event_id: eventId, attempt: attemptView(attempt) }), 200, UNCACHED_JSON)
    },
  )
}

function addCollection(add: AddOperation, deps: EndpointRoutes, show: ShowEndpoint): void {
  const { endpoints, endpointKeeper: keeper, publicUrl, egressAllow } = deps
  add(
    {
      method: 'post',
      path: '/v1/endpoints',
      tag,
      role: 'client',
      summary: 'Register an endpoint',
      body: CreateEndpoint,
      headers: z.object({ 'idempotency-key': z.string().optional() }),
      responses: {
        201: withHeaders(json(EndpointSecretSchema, 'The endpoint with its secret'), 'Location', 'Idempotent-Replayed'),
        409: { description: 'Another request with this idempotency key is just being stored' },
      },
    },
    async ({ c, caller, body, raw }) => {
      checkUrl(body.url, egressAllow)
      const key = idempotencyKey(c, raw, deps.requireIdempotencyKey)
      const tenantId = caller.tenantId as string
      const made = await keeper.create(
        tenantId,
        { ...settingsOf(body), url: body.url },
        body.secret ?? null,
        key?.key ?? null,
      )
      if (made.repeated) c.header('idempotent-replayed', 'true')
      const shown = { ...(await show(made.endpoint)), secret: made.secret }
      return c.body(JSON.stringify(shown), 201, { ...UNCACHED_JSON, location: `${publicUrl}/v1/endpoints/${shown.id}` })
    },
  )
  add(
    {
      method: 'get',
      path: '/v1/endpoints',
      tag,
      role: 'client',
      summary: 'List endpoints, the newest first',
      query: z.object(pageParameters),
      responses: { 200: listOf(EndpointSchema, 'A page of endpoints') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => endpoints.list(input.caller.tenantId, page),
        json: async (endpoint) => JSON.stringify(await show(endpoint)),
      }),
  )
}

function addSecrets(add: AddOperation, { endpointKeeper: keeper }: EndpointRoutes, show: ShowEndpoint): void {
  const one = { tag, role: 'client', params: IdParams } as const
  add(
    {
      ...one,
      method: 'post',
      path: '/v1/endpoints/{id}/rotate-secret',
      summary: 'Give it a new secret',
      description: 'Deliveries carry both signatures, the new one first, until the overlap is over.',
      body: RotateSecret,
      responses: { 200: json(EndpointSecretSchema, 'The endpoint with its new secret') },
    },
    async ({ c, caller, params, body }) => {
      const { endpoint, secret } = await keeper.rotate(caller.tenantId as string, params.id, body.overlap_s * 1000)
      return c.body(JSON.stringify({ ...(await show(endpoint)), secret }), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      ...one,
      method: 'get',
      path: '/v1/endpoints/{id}/secret',
      summary: 'Show its secret again',
      responses: { 200: json(SecretSchema, 'The secret') },
    },
    async ({ c, caller, params }) => {
      const secret = await keeper.secret(caller.tenantId as string, params.id)
      return c.body(JSON.stringify({ secret }), 200, UNCACHED_JSON)
    },
  )
}

export function settingsOf(body: ChangeEndpoint): EndpointSettings {
  return {
    url: body.url,
    description: body.description,
    eventTypes: body.event_types,
    headers: body.headers,
    metadata: body.metadata,
    maxConcurrency: body.max_concurrency,
    rateLimitPerS: body.rate_limit_per_s,
    retryWaitsMs:
      body.retry_schedule == null ? body.retry_schedule : body.retry_schedule.map((s) => Math.round(s * 1000)),
    ordering: body.ordering,
    ed25519: body.ed25519,
    enabled: body.enabled,
  }
}

/** Judged again at each attempt; here it is advice. */
export function checkUrl(url: string, allow: EgressAllow): void {
  const judged = judgeUrl(url, allow)
  if ('url' in judged) return
  const hint = judged.problem === 'blocked_address' ? ' The operator can allow it with POSTHORN_EGRESS_ALLOW.' : ''
  throw new AppError('invalid-endpoint-url', judged.text + hint, {
    details: [{ field: '/url', issue: judged.text, location: 'body' }],
  })
}
