import { z } from '@hono/zod-openapi'
import { isoTime } from '../../core/job-view.ts'
import type { AuditStore } from '../../store/store.ts'
import { answerList, listOf, pageParameters, timeParameter } from '../lists.ts'
import type { AddOperation } from '../operation.ts'
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
        request_id: id,
        after: timeParameter,
        before: timeParameter,
        ...pageParameters,
      }),
      responses: { 200: listOf(AuditEntrySchema, 'A page of entries') },
    },
    (input) => {
      const { actor, action, target, request_id: requestId, after, before } = input.query
      return answerList(input, {
        publicUrl,
        find: (page) => audit.list({ actor, action, target, requestId, after, before }, page),
        json: ({ id, at, requestId, ...what }) =>
          JSON.stringify({ id, at: isoTime(at), ...what, request_id: requestId }),
      })
    },
  )
}
