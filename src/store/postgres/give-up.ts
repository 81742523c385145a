import type { Delivery } from '../../core/delivery.ts'
import { type GiveUpReason, givenUpRow } from '../settle-rows.ts'
import type { BurialRequest, DeliveryStore, ExpiryRequest } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { acceptEvent } from './events.ts'
import { lockEndpoints } from './lanes.ts'
import { releaseNext } from './order.ts'
import { insertRows, recordsOf, rowsOf, selectList } from './rows.ts'
import { deadLetters, deliveries } from './schema.ts'
import { statement } from './statement.ts'
import { WAITING_LANES } from './waiting-lanes.ts'

const expired = statement(
  `${WAITING_LANES}
    SELECT d.* FROM lane JOIN endpoints e ON e.id = lane.id, LATERAL (
      SELECT ${selectList(deliveries)} FROM deliveries WHERE endpoint_id = e.id AND status = 'pending'
        AND expires_at <= CASE WHEN e.disabled_at IS NULL THEN @now::bigint ELSE @heldBefore::bigint END
        ORDER BY expires_at LIMIT @limit) d
      WHERE e.disabled_at IS NOT NULL OR e.enabled_at IS NULL OR e.enabled_at <= @enabledAfter
      LIMIT @limit`,
)
// A job may end, and call back, long after the row of its endpoint has gone.
const left = statement(
  `${WAITING_LANES}, deleted AS (
      SELECT id FROM lane WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM endpoints WHERE id = lane.id)
      UNION ALL SELECT id FROM endpoints WHERE deleted_at IS NOT NULL)
    SELECT d.* FROM deleted, LATERAL (SELECT ${selectList(deliveries)} FROM deliveries
      WHERE endpoint_id = deleted.id AND status IN ('pending', 'waiting') LIMIT @limit) d LIMIT @limit`,
)
// Held first: whoever makes a delivery due there holds them too, and has then committed before it is looked for.
const holdDeleted = statement('SELECT id FROM endpoints WHERE deleted_at IS NOT NULL FOR UPDATE SKIP LOCKED')
const removeEndpoints = statement(
  `DELETE FROM endpoints e WHERE id = ANY (@ids) AND NOT EXISTS
    (SELECT 1 FROM deliveries WHERE endpoint_id = e.id AND finished_at IS NULL)`,
)
const end = statement(
  `UPDATE deliveries SET status = 'dead', finished_at = @now, last_error_class = g."errorClass", last_error = g.error
    FROM json_to_recordset(@gone) AS g (id text, "claimNo" int, "errorClass" text, error text)
    WHERE deliveries.id = g.id AND claim_no = g."claimNo" AND status IN ('pending', 'waiting') RETURNING deliveries.id`,
)
const times = statement(
  `SELECT delivery_id AS id, min(started_at) AS first, max(started_at) AS last FROM attempts
    WHERE delivery_id = ANY (@ids) GROUP BY delivery_id`,
)
const addLetters = statement(insertRows(deadLetters))

/** How deliveries end that nobody tries any more. */
export function deliveryGiver(db: Database): Pick<DeliveryStore, 'expire' | 'buryDeleted'> {
  return {
    expire: (request) => db.transaction((tx) => expire(tx, request)),
    buryDeleted: (request) =>
      db.transaction(async (tx) => {
        const gone = await tx.rows<Delivery>(left({ limit: request.limit }))
        await bury(tx, gone, 'endpoint_deleted', request)
        if (gone.length < request.limit) {
          const deleted = await tx.rows<{ id: string }>(holdDeleted())
          if (deleted.length > 0) await tx.changes(removeEndpoints({ ids: deleted.map(({ id }) => id) }))
        }
        return gone.length
      }),
  }
}

async function expire(tx: Connection, request: ExpiryRequest): Promise<number> {
  const { now, limit, heldBefore, enabledAfter } = request
  const gone = await tx.rows<Delivery>(expired({ now, limit, heldBefore, enabledAfter }))
  await bury(tx, gone, 'expired', request)
  return gone.length
}

/** Those that were claimed meanwhile are left alone. */
async function bury(
  tx: Connection,
  found: readonly Delivery[],
  reason: GiveUpReason,
  { now, newId, notices }: BurialRequest,
): Promise<void> {
  if (found.length === 0) return
  await lockEndpoints(tx, [...new Set(found.map(({ endpointId }) => endpointId))])
  const tried = await tx.rows<{ id: string; first: number; last: number }>(times({ ids: found.map(({ id }) => id) }))
  const attempts = new Map(tried.map((row) => [row.id, row]))
  const letters = found.map((delivery) => givenUpRow(delivery, reason, now, newId(), attempts.get(delivery.id)))
  const claimNos = new Map(found.map(({ id, claimNo }) => [id, claimNo]))
  const gone = letters.map(({ deliveryId, errorClass, error }) => ({
    id: deliveryId,
    claimNo: claimNos.get(deliveryId),
    errorClass,
    error,
  }))
  const ended = new Set((await tx.rows<{ id: string }>(end({ gone: recordsOf(gone), now }))).map(({ id }) => id))
  const kept = letters.filter(({ deliveryId }) => ended.has(deliveryId)).map(({ error: _, ...letter }) => letter)
  await tx.changes(addLetters({ rows: rowsOf(deadLetters, kept) }))
  const types = new Map(found.map(({ id, eventType }) => [id, eventType]))
  for (const letter of kept) {
    const events = notices.ofDeath(letter, types.get(letter.deliveryId) as string)
    for (const event of events) await acceptEvent(tx, event, null)
  }
  await releaseNext(
    tx,
    found.filter(({ id }) => ended.has(id)).map((delivery) => ({ delivery, now })),
  )
}
