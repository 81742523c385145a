import { z } from '@hono/zod-openapi'
import { isoTime } from '../../core/job-view.ts'
import type { FileStore } from '../../store/store.ts'
import type { AddOperation } from '../operation.ts'
import { notFound, UNCACHED_JSON } from '../problem.ts'
import { FileSchema, IdParams, json, Time } from '../schemas.ts'

export interface AdminFileRoutes {
  fileStore: FileStore
}

const AdminFileSchema = FileSchema.omit({ links: true })
  .extend({ tenant_id: z.string(), job_id: z.string().nullable(), created_at: Time })
  .openapi('AdminFile')

/** Whose a file is, and of which job. Its bytes are the tenant's. */
export function adminFileRoutes(add: AddOperation, { fileStore }: AdminFileRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/admin/files/{id}',
      tag: 'Admin',
      role: 'admin',
      summary: 'Read what is known of a file of any tenant',
      params: IdParams,
      responses: { 200: json(AdminFileSchema, 'The file, without its bytes') },
    },
    async ({ c, params }) => {
      const file = await fileStore.get(null, params.id)
      if (file === null) throw notFound()
      const { id, size, sha256, contentType, tenantId, jobId, createdAt } = file
      const of = { tenant_id: tenantId, job_id: jobId, created_at: isoTime(createdAt) }
      return c.body(JSON.stringify({ id, size, sha256, content_type: contentType, ...of }), 200, UNCACHED_JSON)
    },
  )
}
