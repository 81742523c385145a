import { z } from '@hono/zod-openapi'
import { percentile } from '../core/histogram.ts'
import { isoTime, isoTimeOrNull } from '../core/job-view.ts'
import { MINUTE_MS } from '../store/stats-store.ts'
import type { AttemptCounts, BucketCount, LaneFigures, Scope, StatOutcome, Waiting } from '../store/store.ts'
import { Time } from './schemas.ts'

/** Counts of what waits are exact up to here; from here on `…_at_least` is said. */
export const EXACT_COUNT = 10_000

/** What waits for a scope. Jobs belong to no endpoint, and a lane of its own has only an endpoint. */
export interface QueueFigures {
  lanes: LaneFigures
  jobs: { ready: number; exact: boolean; oldestDueAt: number | null } | null
  waiting: Waiting | null
}

export interface Span {
  /** The first minute. */
  from: number
  to: number
}

export function statsView(scope: Scope, { from, to }: Span, attempts: AttemptCounts, queue: QueueFigures) {
  const byMinute = Map.groupBy(attempts.minutes, ({ minute }) => minute)
  const minutes = Array.from({ length: Math.ceil((to + 1 - from) / MINUTE_MS) }, (_, i) => from + i * MINUTE_MS)
  const totals = outcomes(attempts.minutes)
  const all = totals.delivered + totals.failed + totals.dead
  return {
    scope: { kind: scope.kind, id: scope.kind === 'platform' ? null : scope.id },
    from: isoTime(from),
    to: isoTime(to),
    deliveries_per_minute: minutes.map((minute) => ({
      minute: isoTime(minute),
      ...outcomes(byMinute.get(minute) ?? []),
    })),
    totals,
    success_rate: all === 0 ? null : totals.delivered / all,
    latency_ms: percentiles(attempts.buckets),
    arrival_ms: percentiles(attempts.arrivals),
    ...queueView(queue),
  }
}

function percentiles(buckets: readonly BucketCount[]) {
  const counts = new Map(buckets.map(({ bucket, count }) => [bucket, count]))
  const ms = (share: number) => rounded(percentile(counts, share))
  return { p50: ms(0.5), p90: ms(0.9), p95: ms(0.95), p99: ms(0.99) }
}

function outcomes(counts: readonly { outcome: StatOutcome; count: number }[]): Record<StatOutcome, number> {
  const sums = { delivered: 0, failed: 0, dead: 0 }
  for (const { outcome, count } of counts) sums[outcome] += count
  return sums
}

function queueView({ lanes, jobs, waiting }: QueueFigures) {
  return {
    queue: {
      ...(jobs && counted('jobs_ready', jobs.ready, jobs.exact)),
      ...(jobs && { oldest_job_due_at: isoTimeOrNull(jobs.oldestDueAt) }),
      ...counted('deliveries_due', lanes.due, lanes.due < EXACT_COUNT),
      oldest_delivery_due_at: isoTimeOrNull(lanes.oldestDueAt),
      endpoints_held: lanes.held,
      breakers_open: lanes.open,
    },
    ...(waiting && {
      lane: {
        ...counted('pending', waiting.pending, waiting.pending < EXACT_COUNT),
        oldest_due_at: isoTimeOrNull(waiting.oldestDueAt),
      },
    }),
  }
}

function counted(name: string, count: number, exact: boolean): Record<string, number> {
  return { [exact ? name : `${name}_at_least`]: count }
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10
}

const Count = z.int().min(0)
const AtLeast = Count.optional()
const latency = z.number().nullable()
const percentilesSchema = z.object({ p50: latency, p90: latency, p95: latency, p99: latency })
const counts = { delivered: Count, failed: Count, dead: Count }

const QueueFiguresSchema = z.object({
  jobs_ready: Count.optional().openapi({
    description: 'Jobs that wait for a worker. Not of an endpoint: it has none.',
  }),
  jobs_ready_at_least: AtLeast.openapi({ description: 'Instead of `jobs_ready` where counting has stopped.' }),
  oldest_job_due_at: Time.nullable().optional().openapi({ description: 'When the first of them became due.' }),
  deliveries_due: Count.optional().openapi({
    description: 'Deliveries that could be sent now: not those of endpoints disabled, paused, or with an open breaker.',
  }),
  deliveries_due_at_least: AtLeast.openapi({ description: 'Instead of `deliveries_due` from 10,000 on.' }),
  oldest_delivery_due_at: Time.nullable().openapi({ description: 'When the first of them became due.' }),
  endpoints_held: Count.openapi({ description: 'Disabled endpoints that deliveries are held for.' }),
  breakers_open: Count.openapi({ description: 'Endpoints with an open breaker that deliveries wait for.' }),
})

const LaneSchema = z.object({
  pending: Count.optional().openapi({
    description:
      'Deliveries that are still to be sent, whatever they wait for: their time, others of their key, the endpoint.',
  }),
  pending_at_least: AtLeast.openapi({ description: 'Instead of `pending` from 10,000 on.' }),
  oldest_due_at: Time.nullable().openapi({ description: 'When the first of them became due; null when none is.' }),
})

export const StatsSchema = z
  .object({
    scope: z.object({ kind: z.enum(['platform', 'tenant', 'endpoint']), id: z.string().nullable() }),
    from: Time.openapi({ description: 'The first minute.' }),
    to: Time,
    deliveries_per_minute: z.array(z.object({ minute: Time, ...counts })).openapi({
      description:
        'Attempts by the minute they ended in, the oldest first, the running one last: `delivered`; `failed`, with another one to come; `dead`, with which the delivery was given up.',
    }),
    totals: z.object(counts),
    success_rate: z.number().min(0).max(1).nullable().openapi({
      description: 'The share of attempts that delivered; null without any.',
    }),
    latency_ms: percentilesSchema.openapi({
      description:
        'How long attempts took, whatever came of them, from DNS to the last byte read. From buckets: at most about 35 % off.',
    }),
    arrival_ms: percentilesSchema.openapi({
      description:
        'How long it took from accepting an event to its delivery, of those that were delivered without a replay. Counted up to 5 minutes; as exact as `latency_ms`.',
    }),
    queue: QueueFiguresSchema,
    lane: LaneSchema.optional().openapi({ description: 'What waits for the endpoint, when it is about one.' }),
  })
  .openapi('Stats', { description: 'Counts of attempts are up to 10 s old.' })
