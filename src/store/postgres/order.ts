import type { Delivery } from '../../core/delivery.ts'
import type { Connection } from './database.ts'
import { recordsOf } from './rows.ts'
import { statement } from './statement.ts'

// The order of keys, on endpoints that keep it. Both are called with the endpoints held: otherwise one that is just
// being written would not see the end of the one before it, and wait for ever.

const busy = statement(
  `SELECT DISTINCT endpoint_id AS "endpointId" FROM deliveries
    WHERE endpoint_id = ANY (@endpointIds) AND order_key = @key AND finished_at IS NULL AND replays = 0`,
)
const release = statement(
  `UPDATE deliveries SET status = 'pending', due_at = n.now
    FROM json_to_recordset(@ended) AS n ("endpointId" text, "orderKey" text, now bigint),
      LATERAL (SELECT id FROM deliveries d WHERE d.endpoint_id = n."endpointId" AND d.order_key = n."orderKey"
        AND d.finished_at IS NULL AND d.replays = 0 ORDER BY d.order_seq LIMIT 1) AS next
    WHERE deliveries.id = next.id AND deliveries.status = 'waiting'`,
)

/** Of the endpoints, those on which a new delivery of the key has to wait. */
export async function mustWait(tx: Connection, endpointIds: readonly string[], key: string): Promise<Set<string>> {
  if (endpointIds.length === 0) return new Set()
  const rows = await tx.rows<{ endpointId: string }>(busy({ endpointIds, key }))
  return new Set(rows.map(({ endpointId }) => endpointId))
}

/** Lets the next ones go, now that these have ended. A replay goes out of order, and lets nothing go. */
export async function releaseNext(
  tx: Connection,
  ended: readonly { delivery: Pick<Delivery, 'endpointId' | 'orderKey' | 'replays'>; now: number }[],
): Promise<void> {
  const next = ended.flatMap(({ delivery: { endpointId, orderKey, replays }, now }) =>
    orderKey === null || replays > 0 ? [] : [{ endpointId, orderKey, now }],
  )
  if (next.length > 0) await tx.changes(release({ ended: recordsOf(next) }))
}
