import { z } from '@hono/zod-openapi'
import type { Scope } from '../../store/store.ts'
import type { AddOperation } from '../operation.ts'
import { UNCACHED_JSON } from '../problem.ts'
import { json } from '../schemas.ts'
import { type FigureSources, minutesParameter, statsOf } from '../stats.ts'
import { StatsSchema } from '../stats-view.ts'

const StatsQuery = z
  .object({ tenant_id: z.string().min(1).optional(), endpoint_id: z.string().min(1).optional(), ...minutesParameter })
  .refine(({ tenant_id, endpoint_id }) => tenant_id === undefined || endpoint_id === undefined, {
    path: ['tenant_id'],
    message: 'cannot be given with endpoint_id: an endpoint has one tenant',
  })

/** How attempts went: of all, of a tenant, or of an endpoint. Of what does not exist nothing went. */
export function adminStatsRoute(add: AddOperation, sources: FigureSources): void {
  add(
    {
      method: 'get',
      path: '/v1/admin/stats',
      tag: 'Admin',
      role: 'admin',
      summary: 'Show how deliveries went, and what waits',
      description: 'Of the platform, or of `tenant_id`, or of `endpoint_id`.',
      query: StatsQuery,
      responses: { 200: json(StatsSchema, 'The figures') },
    },
    async ({ c, query }) => {
      const figures = await statsOf(scopeOf(query), query.minutes, sources)
      return c.body(JSON.stringify(figures), 200, UNCACHED_JSON)
    },
  )
}

function scopeOf({ tenant_id: tenantId, endpoint_id: endpointId }: z.infer<typeof StatsQuery>): Scope {
  if (endpointId !== undefined) return { kind: 'endpoint', id: endpointId }
  return tenantId === undefined ? { kind: 'platform' } : { kind: 'tenant', id: tenantId }
}
