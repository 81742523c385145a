import type { Delivery } from '../../core/delivery.ts'
import { claimable } from '../../core/lane.ts'
import { lostAttemptRow } from '../settle-rows.ts'
import type { ClaimedDelivery, DeliveryStore, Lane, LaneClaim, LaneClaimRequest } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { attempts, deliveries } from './schema.ts'
import { statement } from './statement.ts'

const UNCLAIMED = 'worker_id = NULL, claimed_at = NULL, claimed_until = NULL'

// Leaps from endpoint to endpoint: two seeks each, however much waits there.
const dueLanes = statement(
  `WITH RECURSIVE lane(id) AS (
      (SELECT endpoint_id FROM deliveries WHERE status = 'pending' ORDER BY endpoint_id LIMIT 1)
      UNION ALL
      SELECT (SELECT endpoint_id FROM deliveries WHERE status = 'pending' AND endpoint_id > lane.id
          ORDER BY endpoint_id LIMIT 1) FROM lane WHERE lane.id IS NOT NULL)
    SELECT id FROM lane WHERE id IS NOT NULL
      AND (SELECT due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = lane.id
        ORDER BY due_at LIMIT 1) <= @now
      AND NOT EXISTS (SELECT 1 FROM endpoints e
        WHERE e.id = lane.id AND (e.disabled_at IS NOT NULL OR e.paused_until > @now))`,
)
// The lane's lock: one process at a time sees how much is in flight and adds to it. It does not conflict with the
// locks of foreign keys, nor with another lane.
const lockLane = statement(
  `SELECT id, tenant_id AS "tenantId", concurrency, max_concurrency AS "maxConcurrency",
    paused_until AS "pausedUntil", disabled_at AS "disabledAt" FROM endpoints WHERE id = @laneId FOR NO KEY UPDATE`,
)
/** The worker's row is kept from being struck off while it claims. */
const keepListed = statement('SELECT 1 FROM workers WHERE id = @workerId FOR KEY SHARE')
// Read after the lock, so that it sees what whoever had it before has claimed.
const inFlight = statement("SELECT count(*) FROM deliveries WHERE endpoint_id = @laneId AND status = 'delivering'")
const due = statement(
  `SELECT id FROM deliveries WHERE status = 'pending' AND endpoint_id = @laneId AND due_at <= @now
    ORDER BY due_at, id LIMIT @limit`,
)
const take = statement(
  `WITH taken AS (UPDATE deliveries SET status = 'delivering', claim_no = claim_no + 1, attempts = attempts + 1,
        worker_id = @workerId, claimed_at = @now::bigint, claimed_until = @now::bigint + @leaseMs::bigint
      WHERE id = ANY (@ids) AND status = 'pending' RETURNING *)
    SELECT ${selectList(deliveries, 'd')}, e.body, e.traceparent FROM taken d JOIN events e ON e.id = d.event_id
      ORDER BY array_position(@ids::text[], d.id::text)`,
)
const lost = statement(
  `SELECT ${selectList(deliveries)} FROM deliveries
    WHERE status = 'delivering' AND (claimed_until < @now
      OR NOT EXISTS (SELECT 1 FROM workers WHERE id = deliveries.worker_id))
    LIMIT @limit FOR NO KEY UPDATE SKIP LOCKED`,
)
const release = statement(
  `UPDATE deliveries SET status = 'pending', attempts = attempts - 1, due_at = @now, ${UNCLAIMED} WHERE id = ANY (@ids)`,
)
const addAttempts = statement(insertRows(attempts))
const releaseUnknown = statement(
  `UPDATE deliveries SET status = 'pending', attempts = attempts - 1, ${UNCLAIMED}
    WHERE status = 'delivering' AND worker_id = @workerId AND id <> ALL (@known)`,
)

type Claimer = Pick<DeliveryStore, 'dueLanes' | 'claim' | 'releaseLost' | 'releaseUnknown'>

/** The verbs by which deliveries get from their lane to a process and back. */
export function deliveryClaimer(db: Database): Claimer {
  return {
    dueLanes: async (now) => (await db.rows<{ id: string }>(dueLanes({ now }))).map(({ id }) => id),
    claim: (request) => db.transaction((tx) => claim(tx, request)),
    releaseLost: (now, limit) => db.transaction((tx) => releaseLost(tx, now, limit)),
    releaseUnknown: (workerId, known) => db.changes(releaseUnknown({ workerId, known })),
  }
}

async function claim(tx: Connection, request: LaneClaimRequest): Promise<LaneClaim> {
  const { laneId, workerId, now, limit, leaseMs } = request
  const [lane = null] = await tx.rows<Lane>(lockLane({ laneId }))
  const listed = (await tx.rows(keepListed({ workerId }))).length > 0
  const [flying] = await tx.rows<{ count: number }>(inFlight({ laneId }))
  const places = lane === null || !listed ? 0 : claimable(lane, flying?.count ?? 0, limit, now)
  const ids = (await tx.rows<{ id: string }>(due({ laneId, now, limit: places + 1 }))).map(({ id }) => id)
  const taken =
    places === 0 ? [] : await tx.rows<ClaimedDelivery>(take({ ids: ids.slice(0, places), workerId, now, leaseMs }))
  return { lane, deliveries: taken, more: ids.length > places }
}

/** What a process that died held is due again; its attempts stay on record as lost. */
async function releaseLost(tx: Connection, now: number, limit: number): Promise<number> {
  const rows = await tx.rows<Delivery>(lost({ now, limit }))
  if (rows.length === 0) return 0
  await tx.changes(release({ ids: rows.map(({ id }) => id), now }))
  const records = rows.map((delivery) => lostAttemptRow(delivery, now))
  await tx.changes(addAttempts({ rows: rowsOf(attempts, records) }))
  return rows.length
}
