import { z } from '@hono/zod-openapi'
import { isoTime } from '../../core/job-view.ts'
import type { EventStore } from '../../store/store.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { IdParams, json, Time } from '../schemas.ts'

export interface AdminEventRoutes {
  eventStore: EventStore
}

const AdminEventSchema = z
  .object({
    id: z.string().openapi({ description: 'The `webhook-id` of its deliveries.' }),
    tenant_id: z.string(),
    type: z.string(),
    job_id: z.string().nullable(),
    key: z.string().nullable().openapi({ description: 'What the order is kept by, on endpoints that keep it.' }),
    deliveries: z.int().openapi({ description: 'How many it made.' }),
    created_at: Time,
    body: z.string().nullable().openapi({
      description: 'The bytes that receivers get, as text; null when they were erased.',
    }),
  })
  .openapi('AdminEvent')

/** What receivers were told, for who finds out why something did not arrive. */
export function adminEventRoutes(add: AddOperation, { eventStore }: AdminEventRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/admin/events/{id}',
      tag: 'Admin',
      role: 'admin',
      summary: 'Read an event of any tenant',
      params: IdParams,
      responses: { 200: json(AdminEventSchema, 'The event') },
    },
    async ({ c, params }) => {
      const event = await eventStore.find(params.id)
      if (event === null) throw notFound()
      const { id, tenantId, type, jobId, key, fanOut, createdAt, body } = event
      const shown = { id, tenant_id: tenantId, type, job_id: jobId, key, deliveries: fanOut }
      const rest = { created_at: isoTime(createdAt), body: body === '' ? null : body }
      return c.body(JSON.stringify({ ...shown, ...rest }), 200, UNCACHED_JSON)
    },
  )
}
