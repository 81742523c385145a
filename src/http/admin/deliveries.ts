import { z } from '@hono/zod-openapi'
import type { DeliveryStore, DeliveryView } from '../../store/store.ts'
import { deliveryFilterOf, deliveryFilters } from '../deliveries.ts'
import { attemptView, deliveryView } from '../delivery-view.ts'
import { answerList, listOf, pageParameters } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { DeliverySchema, DeliveryWithAttempts, IdParams, json } from '../schemas.ts'

export interface AdminDeliveryRoutes {
  deliveries: DeliveryStore
  publicUrl: string
}

const tenant = { tenant_id: z.string() }
const AdminDeliverySchema = DeliverySchema.extend(tenant).openapi('AdminDelivery')
const AdminDeliveryWithAttempts = DeliveryWithAttempts.extend(tenant).openapi('AdminDeliveryWithAttempts')

/** Deliveries of all tenants. How admins replay them is in dead-letters.ts. */
export function adminDeliveryRoutes(add: AddOperation, { deliveries, publicUrl }: AdminDeliveryRoutes): void {
  const show = (delivery: DeliveryView) => ({ ...deliveryView(delivery, publicUrl), tenant_id: delivery.tenantId })
  add(
    {
      method: 'get',
      path: '/v1/admin/deliveries',
      tag: 'Admin',
      role: 'admin',
      summary: 'List the deliveries of all tenants, the newest first',
      query: z.object({ tenant_id: z.string().min(1).optional(), ...deliveryFilters, ...pageParameters }),
      responses: { 200: listOf(AdminDeliverySchema, 'A page of deliveries') },
    },
    (input) =>
      answerList(input, {
        publicUrl,
        find: (page) => deliveries.list(input.query.tenant_id ?? null, deliveryFilterOf(input.query), page),
        json: (delivery) => JSON.stringify(show(delivery)),
      }),
  )
  add(
    {
      method: 'get',
      path: '/v1/admin/deliveries/{id}',
      tag: 'Admin',
      role: 'admin',
      summary: 'Read a delivery of any tenant, with every attempt',
      params: IdParams,
      responses: { 200: json(AdminDeliveryWithAttempts, 'The delivery') },
    },
    async ({ c, params }) => {
      const delivery = await deliveries.get(null, params.id)
      if (delivery === null) throw notFound()
      const attempts = (await deliveries.attempts(delivery.id)).map(attemptView)
      return c.body(JSON.stringify({ ...show(delivery), attempts }), 200, UNCACHED_JSON)
    },
  )
}
