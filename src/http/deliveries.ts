import { z } from '@hono/zod-openapi'
import type { Replay } from '../delivery/replay.ts'
import type { DeliveryStore } from '../store/store.ts'
import { attemptView, deliveryView } from './delivery-view.ts'
import { listJson, listOf, pageOf, pageParameters, requestUrl, timeParameter } from './lists.ts'
import type { AddOperation } from './operation.ts'
import { notFound, UNCACHED_JSON } from './problem.ts'
import { DEAD_REASONS, DELIVERY_STATUSES, DeliverySchema, DeliveryWithAttempts, IdParams, json } from './schemas.ts'

export interface DeliveryRoutes {
  deliveries: DeliveryStore
  replay: Replay
  publicUrl: string
}

const tag = 'Deliveries'

export function deliveryRoutes(add: AddOperation, { deliveries, replay, publicUrl }: DeliveryRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/deliveries',
      tag,
      role: 'client',
      summary: 'List deliveries, the newest first',
      query: z.object({
        status: z.enum(DELIVERY_STATUSES).optional(),
        endpoint_id: z.string().optional(),
        job_id: z.string().optional(),
        event_type: z.string().optional(),
        reason: z.enum(DEAD_REASONS).optional(),
        after: timeParameter,
        before: timeParameter,
        ...pageParameters,
      }),
      responses: { 200: listOf(DeliverySchema, 'A page of deliveries') },
    },
    async ({ c, caller, query }) => {
      const page = pageOf(query)
      const filter = {
        status: query.status,
        endpointId: query.endpoint_id,
        jobId: query.job_id,
        eventType: query.event_type,
        reason: query.reason,
        after: query.after,
        before: query.before,
      }
      const found = await deliveries.list(caller.tenantId, filter, page)
      const items = found.map((one) => ({ id: one.id, json: JSON.stringify(deliveryView(one, publicUrl)) }))
      return c.body(listJson(items, page, requestUrl(c.req.url, publicUrl)), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      method: 'get',
      path: '/v1/deliveries/{id}',
      tag,
      role: 'client',
      summary: 'Read a delivery with every attempt',
      params: IdParams,
      responses: { 200: json(DeliveryWithAttempts, 'The delivery') },
    },
    async ({ c, caller, params }) => {
      const delivery = await deliveries.get(caller.tenantId, params.id)
      if (delivery === null) throw notFound()
      const attempts = (await deliveries.attempts(delivery.id)).map(attemptView)
      return c.body(JSON.stringify({ ...deliveryView(delivery, publicUrl), attempts }), 200, UNCACHED_JSON)
    },
  )
  add(
    {
      method: 'post',
      path: '/v1/deliveries/{id}/replay',
      tag,
      role: 'client',
      summary: 'Send a delivery again',
      description: 'The same event with the same `webhook-id`, to the same endpoint, with a fresh retry schedule.',
      params: IdParams,
      responses: { 202: json(DeliverySchema, 'Being sent') },
    },
    async ({ c, caller, params }) => {
      const order = { deliveryId: params.id, caller, requestId: String(c.get('requestId')), enable: false }
      return c.body(JSON.stringify(deliveryView(await replay(order), publicUrl)), 202, UNCACHED_JSON)
    },
  )
}
