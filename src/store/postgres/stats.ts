import { statScope } from '../stats-store.ts'
import type { AttemptCounts, BucketCount, LaneFigures, Scope, StatsStore, Waiting } from '../store.ts'
import type { Database } from './database.ts'
import { insertRows, rowsOf } from './rows.ts'
import { deliveryStats } from './schema.ts'
import { type Query, type Statement, statement } from './statement.ts'

export function postgresStats(db: Database): StatsStore {
  /** The first row of a query that counts to a limit. */
  const first = <Row>(query: Query): Promise<Row> =>
    db.transaction(async (tx) => {
      await tx.changes(inIndexOrder())
      return (await tx.rows<Row>(query))[0] as Row
    })
  return {
    add: async (rows) => {
      await db.changes(add({ rows: rowsOf(deliveryStats, rows) }))
    },
    attempts: async (scope, from) => {
      const parameters = { scope: statScope(scope), from }
      const [minutes, buckets, arrivals] = await Promise.all([
        db.rows<AttemptCounts['minutes'][number]>(byMinute(parameters)),
        db.rows<BucketCount>(attemptsByBucket(parameters)),
        db.rows<BucketCount>(arrivalsByBucket(parameters)),
      ])
      return { minutes, buckets, arrivals }
    },
    lanes: async (scope, now, { count, lanes }) => {
      const id = scope.kind === 'platform' ? null : scope.id
      return first<LaneFigures>(laneFigures[scope.kind]({ scope: id, now, count, lanes }))
    },
    waiting: (endpointId, now, limit) => first<Waiting>(waiting({ endpointId, now, limit })),
    readyJobs: async (tenantId, limit) => (await first<{ ready: number }>(readyOfTenant({ tenantId, limit }))).ready,
    oldestReadyJob: async (tenantId) => {
      const query = tenantId === null ? oldestReady() : oldestOfTenant({ tenantId })
      return (await first<{ dueAt: number | null }>(query)).dueAt
    },
    purge: (before, limit) => db.changes(purge({ before, limit })),
  }
}

// In the order of the key, so that processes that add to the same rows wait for each other and never in a circle.
const add = statement(
  `${insertRows(deliveryStats)} ORDER BY scope, minute, outcome, bucket
    ON CONFLICT (scope, minute, outcome, bucket) DO UPDATE SET count = delivery_stats.count + excluded.count`,
)
const purge = statement(
  `DELETE FROM delivery_stats WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM delivery_stats WHERE minute < @before LIMIT @limit FOR UPDATE SKIP LOCKED))`,
)
const byMinute = statement(
  `SELECT minute, outcome, sum(count) AS count FROM delivery_stats
    WHERE scope = @scope AND minute >= @from AND outcome <> 'arrived' GROUP BY minute, outcome`,
)
const byBucket = (kind: string) =>
  statement(
    `SELECT bucket, sum(count) AS count FROM delivery_stats
      WHERE scope = @scope AND minute >= @from AND outcome ${kind} GROUP BY bucket`,
  )
const attemptsByBucket = byBucket("<> 'arrived'")
const arrivalsByBucket = byBucket("= 'arrived'")

/**
 * What is counted to a limit is read in the order of an index, and no further. Where the planner expects less than the
 * limit, it would rather read and sort all there is: a million rows, if its figures are of yesterday.
 */
const inIndexOrder = statement('SET LOCAL enable_sort = off')

/** The lanes to look at. Those of the platform are found by leaping from one with something pending to the next. */
const LANES: Record<Scope['kind'], string> = {
  platform: `leap(id, n) AS (
      (SELECT endpoint_id, 1 FROM deliveries WHERE status = 'pending' ORDER BY endpoint_id LIMIT 1)
      UNION ALL
      SELECT (SELECT endpoint_id FROM deliveries WHERE status = 'pending' AND endpoint_id > leap.id
          ORDER BY endpoint_id LIMIT 1), n + 1 FROM leap WHERE leap.id IS NOT NULL AND n < @lanes),
    lane(id) AS (SELECT id FROM leap WHERE id IS NOT NULL)`,
  tenant: 'lane(id) AS (SELECT id FROM endpoints WHERE tenant_id = @scope LIMIT @lanes)',
  endpoint: 'lane(id) AS (SELECT @scope::text)',
}

// ORDER BY names the index: each lane is a seek into it, and as many rows as are counted.
const lanesQuery = (lane: string) =>
  statement(`WITH RECURSIVE ${lane},
    looked AS MATERIALIZED (
      SELECT e.id, e.disabled_at IS NOT NULL AS held, e.probe_at IS NOT NULL AS open, e.paused_until > @now AS paused,
          pending.due_at AS first
        FROM lane CROSS JOIN LATERAL (SELECT * FROM endpoints WHERE id = lane.id AND deleted_at IS NULL) e,
          LATERAL (SELECT due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = e.id
            ORDER BY due_at LIMIT 1) pending),
    free AS MATERIALIZED (
      SELECT id, first FROM looked WHERE first <= @now AND NOT held AND NOT open AND paused IS NOT TRUE)
    SELECT (SELECT count(*) FROM (SELECT 1 FROM free, LATERAL (SELECT 1 FROM deliveries
          WHERE status = 'pending' AND endpoint_id = free.id AND due_at <= @now ORDER BY due_at LIMIT @count) d
          LIMIT @count) AS counted) AS due,
      (SELECT min(first) FROM free) AS "oldestDueAt",
      count(*) FILTER (WHERE held) AS held, count(*) FILTER (WHERE open AND NOT held) AS open FROM looked`)

const laneFigures: Record<Scope['kind'], Statement> = {
  platform: lanesQuery(LANES.platform),
  tenant: lanesQuery(LANES.tenant),
  endpoint: lanesQuery(LANES.endpoint),
}

const waiting = statement(
  `SELECT (SELECT count(*) FROM (
      (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = @endpointId ORDER BY due_at LIMIT @limit)
      UNION ALL
      (SELECT 1 FROM deliveries WHERE endpoint_id = @endpointId AND order_key IS NOT NULL AND finished_at IS NULL
        AND status = 'waiting' ORDER BY order_key, order_seq LIMIT @limit)
      LIMIT @limit) AS counted) AS pending,
    (SELECT due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = @endpointId AND due_at <= @now
      ORDER BY due_at LIMIT 1) AS "oldestDueAt"`,
)

// Leaps from type to type. Each has ten priorities, and the first of each is a seek.
const TYPES = `WITH RECURSIVE kind(type) AS (
    (SELECT type FROM jobs WHERE queue = 'ready' ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT type FROM jobs WHERE queue = 'ready' AND type > kind.type ORDER BY type LIMIT 1)
      FROM kind WHERE kind.type IS NOT NULL)`
// A tenant is asked for as a range of one, so that the order is that of the index that has tenants, and of no other.
const readyOfTenant = statement(
  `${TYPES} SELECT count(*) AS ready FROM (SELECT 1 FROM kind, LATERAL (SELECT 1 FROM jobs WHERE queue = 'ready'
      AND type = kind.type AND tenant_id >= @tenantId AND tenant_id <= @tenantId
      ORDER BY tenant_id, priority LIMIT @limit) j LIMIT @limit) AS counted`,
)
const oldest = (condition: string, order: string) =>
  statement(
    `${TYPES} SELECT min(first.due_at) AS "dueAt" FROM kind CROSS JOIN generate_series(0, 9) AS rank(n),
      LATERAL (SELECT due_at FROM jobs WHERE queue = 'ready' AND type = kind.type AND ${condition}
        ORDER BY ${order} LIMIT 1) first`,
  )
const oldestReady = oldest('priority = n', 'due_at')
const oldestOfTenant = oldest(
  '(tenant_id, priority) >= (@tenantId, n) AND (tenant_id, priority) <= (@tenantId, n)',
  'tenant_id, priority, due_at',
)
