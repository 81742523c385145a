import { z } from '@hono/zod-openapi'
import type { Replay } from '../delivery/replay.ts'
import type { DeliveryFilter, DeliveryStore } from '../store/store.ts'
import { attemptView, deliveryView } from './delivery-view.ts'
import { answerList, listOf, pageParameters, timeParameter } from './lists.ts'
import type { AddOperation } from './operation.ts'
import { notFound, UNCACHED_JSON } from './problem.ts'
import { DEAD_REASONS, DELIVERY_STATUSES, DeliverySchema, DeliveryWithAttempts, IdParams, json } from './schemas.ts'

export interface DeliveryRoutes {
  deliveries: DeliveryStore
  replay: Replay
  publicUrl: string
}

/** What lists of deliveries can be narrowed by. */
export const deliveryFilters = {
  status: z.enum(DELIVERY_STATUSES).optional(),
  endpoint_id: z.string().optional(),
  event_id: z.string().optional(),
  job_id: z.string().optional(),
  event_type: z.string().optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  after: timeParameter,
  before: timeParameter,
}

export function deliveryFilterOf(query: z.infer<z.ZodObject<typeof deliveryFilters>>): DeliveryFilter {
  const { status, reason, after, before } = query
  const ids = { endpointId: query.endpoint_id, eventId: query.event_id, jobId: query.job_id }
  return { status, ...ids, eventType: query.event_type, reason, after, before }
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
      query: z.object({ ...deliveryFilters, ...pageParameters }),
      responses: { 200: listOf(DeliverySchema, 'A page of deliveries') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => deliveries.list(input.caller.tenantId, deliveryFilterOf(input.query), page),
        json: (delivery) => JSON.stringify(deliveryView(delivery, publicUrl)),
      }),
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
