import { z } from '@hono/zod-openapi'
import type { Clock } from '../clock.ts'
import type { Backlog } from '../jobs/backlog.ts'
import type { WaitingFigures } from '../metrics.ts'
import { MINUTE_MS, minuteOf } from '../store/stats-store.ts'
import type { EndpointStore, Scope, StatsStore } from '../store/store.ts'
import type { AddOperation } from './operation.ts'
import { notFound, UNCACHED_JSON } from './problem.ts'
import { IdParams, json } from './schemas.ts'
import { EXACT_COUNT, type QueueFigures, StatsSchema, statsView } from './stats-view.ts'

export interface FigureSources {
  stats: StatsStore
  backlog: Backlog
  clock: Clock
}

export interface StatsRoutes extends FigureSources {
  endpoints: EndpointStore
}

/** Bounds the seeks of one call: one lane is four at most. */
const MAX_LANES = 10_000
const DEFAULT_MINUTES = 60
const MAX_MINUTES = 1440

export const minutesParameter = {
  minutes: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number')
    .transform(Number)
    .refine((minutes) => minutes >= 1 && minutes <= MAX_MINUTES, `must be from 1 to ${MAX_MINUTES}`)
    .optional()
    .openapi({ type: 'integer', minimum: 1, maximum: MAX_MINUTES, default: DEFAULT_MINUTES }),
}

/** How attempts went, for the tenant that owns the endpoint. */
export function endpointStatsRoute(add: AddOperation, { endpoints, ...sources }: StatsRoutes): void {
  add(
    {
      method: 'get',
      path: '/v1/endpoints/{id}/stats',
      tag: 'Endpoints',
      role: 'client',
      polled: true,
      summary: 'Show how deliveries to it went, and what waits for it',
      params: IdParams,
      query: z.object(minutesParameter),
      responses: { 200: json(StatsSchema, 'Its figures') },
    },
    async ({ c, caller, params, query }) => {
      if ((await endpoints.get(caller.tenantId, params.id)) === null) throw notFound()
      const figures = await statsOf({ kind: 'endpoint', id: params.id }, query.minutes, sources)
      return c.body(JSON.stringify(figures), 200, UNCACHED_JSON)
    },
  )
}

/** @param minutes The last one is the running one */
export async function statsOf(scope: Scope, minutes = DEFAULT_MINUTES, sources: FigureSources) {
  const to = sources.clock.now()
  const from = minuteOf(to) - (minutes - 1) * MINUTE_MS
  const [attempts, queue] = await Promise.all([sources.stats.attempts(scope, from), queueOf(scope, to, sources)])
  return statsView(scope, { from, to }, attempts, queue)
}

/** What waits on the platform, for /metrics. */
export async function queueFigures(sources: FigureSources): Promise<WaitingFigures> {
  const now = sources.clock.now()
  const { lanes, jobs } = await queueOf({ kind: 'platform' }, now, sources)
  const ageS = (at: number | null | undefined) => (at == null ? null : Math.max(0, (now - at) / 1000))
  return {
    readyJobs: jobs?.ready ?? 0,
    oldestJobAgeS: ageS(jobs?.oldestDueAt),
    dueDeliveries: lanes.due,
    oldestDeliveryAgeS: ageS(lanes.oldestDueAt),
    heldLanes: lanes.held,
    openLanes: lanes.open,
  }
}

async function queueOf(scope: Scope, now: number, { stats, backlog }: FigureSources): Promise<QueueFigures> {
  const [lanes, jobs, waiting] = await Promise.all([
    stats.lanes(scope, now, { count: EXACT_COUNT, lanes: MAX_LANES }),
    scope.kind === 'endpoint' ? null : readyJobs(scope.kind === 'tenant' ? scope.id : null, stats, backlog),
    scope.kind === 'endpoint' ? stats.waiting(scope.id, now, EXACT_COUNT) : null,
  ])
  return { lanes, jobs, waiting }
}

/** Those of all are counted every second anyway, for submissions to be refused in time. */
async function readyJobs(tenantId: string | null, stats: StatsStore, backlog: Backlog): Promise<QueueFigures['jobs']> {
  const [ready, oldestDueAt] = await Promise.all([
    tenantId === null ? backlog.ready : stats.readyJobs(tenantId, EXACT_COUNT),
    stats.oldestReadyJob(tenantId),
  ])
  return { ready, exact: tenantId === null ? !backlog.full : ready < EXACT_COUNT, oldestDueAt }
}
