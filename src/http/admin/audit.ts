import { z } from '@hono/zod-openapi'
import { isoTime } from '../../core/job-view.ts'
import type { AuditStore } from '../../store/store.ts'
import { listJson, listOf, pageOf, pageParameters, requestUrl, timeParameter } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
import { UNCACHED_JSON } from '../problem.ts'
import { Time } from '../schemas.ts'

export interface AuditRoutes {
  audit: AuditStore
  publicUrl: string
}

const AuditEntrySchema = z
  .object({
    id: z.string(),
    at: Time,
    actor: z.string().openapi({ description: 'Id of the key.' }),
    action: z.string().openapi({ example: 'delivery.replay' }),
    target: z.string().openapi({ description: 'Id of what it was done to.' }),
    request_id: z.string(),
  })
  .openapi('AuditEntry')

/** Every act of an admin. */
export function auditRoutes(add: AddOperation, { audit, publicUrl }: AuditRoutes): void {
  const id = z.string().min(1).optional()
  add(
    {
      method: 'get',
      path: '/v1/admin/audit',
      tag: 'Admin',
      role: 'admin',
      summary: 'List what admins did, the newest first',
      query: z.object({
        actor: id,
        action: id,
        target: id,
        after: timeParameter,
        before: timeParameter,
        ...pageParameters,
      }),
      responses: { 200: listOf(AuditEntrySchema, 'A page of entries') },
    },
    async ({ c, query }) => {
      const page = pageOf(query)
      const { actor, action, target, after, before } = query
      const found = await audit.list({ actor, action, target, after, before }, page)
      const items = found.map(({ id, at, requestId, ...what }) => ({
        id,
        json: JSON.stringify({ id, at: isoTime(at), ...what, request_id: requestId }),
      }))
      return c.body(listJson(items, page, requestUrl(c.req.url, publicUrl)), 200, UNCACHED_JSON)
    },
  )
}
