import type { Database } from 'better-sqlite3'
import { statScope } from '../stats-store.ts'
import type { AttemptCounts, BucketCount, LaneFigures, Scope, StatsStore, Waiting } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Reader } from './reader.ts'
import { deliveryStats } from './schema.ts'
import { insertInto } from './statements.ts'

export function sqliteStats(db: Database, writer: GroupCommit, reader: Reader): StatsStore {
  const add = db.prepare(
    `${insertInto(deliveryStats)} ON CONFLICT (scope, minute, outcome, bucket) DO UPDATE SET count = count + excluded.count`,
  )
  const purge = db.prepare(
    'DELETE FROM delivery_stats WHERE rowid IN (SELECT rowid FROM delivery_stats WHERE minute < ? LIMIT ?)',
  )
  const read = <Row>(keys: (keyof Row & string)[], sql: string, parameters: object): Promise<Row[]> =>
    reader.rows<Row>(keys, { sql, params: [parameters] })
  return {
    add: (rows) =>
      writer.run(() => {
        for (const row of rows) add.run(row)
      }),
    attempts: async (scope, from) => {
      const parameters = { scope: statScope(scope), from }
      const [minutes, buckets, arrivals] = await Promise.all([
        read<AttemptCounts['minutes'][number]>(['minute', 'outcome', 'count'], BY_MINUTE, parameters),
        read<BucketCount>(['bucket', 'count'], BY_BUCKET, parameters),
        read<BucketCount>(['bucket', 'count'], ARRIVALS, parameters),
      ])
      return { minutes, buckets, arrivals }
    },
    lanes: async (scope, now, limits) => {
      const parameters = { ...limits, now, ...(scope.kind === 'platform' ? {} : { scope: scope.id }) }
      const [row] = await read<LaneFigures>(['due', 'oldestDueAt', 'held', 'open'], lanes[scope.kind], parameters)
      return row as LaneFigures
    },
    waiting: async (endpointId, now, limit) => {
      const [row] = await read<Waiting>(['pending', 'oldestDueAt'], WAITING, { endpointId, now, limit })
      return row as Waiting
    },
    readyJobs: async (tenantId, limit) => {
      const [row] = await read<{ ready: number }>(['ready'], READY_OF_TENANT, { tenantId, limit })
      return row?.ready ?? 0
    },
    oldestReadyJob: async (tenantId) => {
      const [row] = await read<{ dueAt: number | null }>(['dueAt'], tenantId === null ? OLDEST : OLDEST_OF_TENANT, {
        tenantId,
      })
      return row?.dueAt ?? null
    },
    purge: (before, limit) => writer.run(() => purge.run(before, limit).changes),
  }
}

const BY_MINUTE = `SELECT minute, outcome, sum(count) FROM delivery_stats
  WHERE scope = @scope AND minute >= @from AND outcome <> 'arrived' GROUP BY minute, outcome`
const byBucket = (kind: string) => `SELECT bucket, sum(count) FROM delivery_stats
  WHERE scope = @scope AND minute >= @from AND outcome ${kind} GROUP BY bucket`
const BY_BUCKET = byBucket("<> 'arrived'")
const ARRIVALS = byBucket("= 'arrived'")

/** The lanes to look at. Those of the platform are found by leaping from one with something pending to the next. */
const LANES: Record<Scope['kind'], string> = {
  platform: `leap(id, n) AS (
      SELECT min(endpoint_id), 1 FROM deliveries WHERE status = 'pending'
      UNION ALL
      SELECT (SELECT min(endpoint_id) FROM deliveries WHERE status = 'pending' AND endpoint_id > leap.id), n + 1
        FROM leap WHERE leap.id IS NOT NULL AND n < @lanes),
    lane(id) AS (SELECT id FROM leap WHERE id IS NOT NULL)`,
  tenant: 'lane(id) AS (SELECT id FROM endpoints WHERE tenant_id = @scope LIMIT @lanes)',
  endpoint: 'lane(id) AS (SELECT @scope)',
}

// CROSS JOIN keeps the order: lanes first, then a seek into each.
const lanesQuery = (lane: string) => `WITH RECURSIVE ${lane},
  looked AS MATERIALIZED (
    SELECT e.id, e.disabled_at IS NOT NULL AS held, e.probe_at IS NOT NULL AS open, e.paused_until > @now AS paused,
        (SELECT min(due_at) FROM deliveries WHERE status = 'pending' AND endpoint_id = e.id) AS first
      FROM lane CROSS JOIN endpoints e WHERE e.id = lane.id AND e.deleted_at IS NULL),
  free AS MATERIALIZED (
    SELECT id, first FROM looked WHERE first <= @now AND NOT held AND NOT open AND paused IS NOT TRUE)
  SELECT (SELECT count(*) FROM (SELECT 1 FROM free CROSS JOIN deliveries d
        WHERE d.status = 'pending' AND d.endpoint_id = free.id AND d.due_at <= @now LIMIT @count)),
    (SELECT min(first) FROM free),
    count(*) FILTER (WHERE held), count(*) FILTER (WHERE open AND NOT held) FROM looked WHERE first IS NOT NULL`

const lanes: Record<Scope['kind'], string> = {
  platform: lanesQuery(LANES.platform),
  tenant: lanesQuery(LANES.tenant),
  endpoint: lanesQuery(LANES.endpoint),
}

const WAITING = `SELECT
  (SELECT count(*) FROM (
    SELECT 1 FROM (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = @endpointId LIMIT @limit)
    UNION ALL
    SELECT 1 FROM (SELECT 1 FROM deliveries WHERE endpoint_id = @endpointId AND order_key IS NOT NULL
      AND finished_at IS NULL AND status = 'waiting' LIMIT @limit)
    LIMIT @limit)),
  (SELECT min(due_at) FROM deliveries WHERE status = 'pending' AND endpoint_id = @endpointId AND due_at <= @now)`

// Leaps from type to type. Each has ten priorities, and the first of each is a seek.
const TYPES = `WITH RECURSIVE kind(type) AS (
    SELECT min(type) FROM jobs WHERE queue = 'ready'
    UNION ALL
    SELECT (SELECT min(type) FROM jobs WHERE queue = 'ready' AND type > kind.type) FROM kind WHERE kind.type IS NOT NULL)`
const READY_OF_TENANT = `${TYPES} SELECT count(*) FROM (SELECT 1 FROM kind CROSS JOIN jobs j
  WHERE j.queue = 'ready' AND j.type = kind.type AND j.tenant_id = @tenantId LIMIT @limit)`
const oldest = (condition: string) => `${TYPES}, rank(n) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))
  SELECT min((SELECT min(due_at) FROM jobs WHERE queue = 'ready' AND type = kind.type AND priority = n ${condition}))
    FROM kind, rank`
const OLDEST = oldest('')
const OLDEST_OF_TENANT = oldest('AND tenant_id = @tenantId')
