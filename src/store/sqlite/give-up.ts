import type { Database } from 'better-sqlite3'
import type { Delivery } from '../../core/delivery.ts'
import { type GiveUpReason, givenUpRow } from '../settle-rows.ts'
import type { BurialRequest, DeliveryStore } from '../store.ts'
import { eventAcceptor } from './events.ts'
import type { GroupCommit } from './group-commit.ts'
import { orderKeeper } from './order.ts'
import { deadLetters, deliveries } from './schema.ts'
import { insertInto, selectList } from './statements.ts'
import { WAITING_LANES } from './waiting-lanes.ts'

const WAITING = "status IN ('pending', 'waiting')"

/** How deliveries end that nobody tries any more. */
export function deliveryGiver(db: Database, writer: GroupCommit): Pick<DeliveryStore, 'expire' | 'buryDeleted'> {
  const bury = burier(db)
  const lanes = db.prepare<[], { id: string; disabledAt: number | null; enabledAt: number | null }>(
    `${WAITING_LANES}
    SELECT e.id, e.disabled_at AS disabledAt, e.enabled_at AS enabledAt FROM lane JOIN endpoints e ON e.id = lane.id`,
  )
  const expired = db.prepare<[string, number, number], Delivery>(
    `SELECT ${selectList(deliveries)} FROM deliveries
      WHERE endpoint_id = ? AND status = 'pending' AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
  )
  // A job may end, and call back, long after the row of its endpoint has gone.
  const deleted = db
    .prepare<[], string>(
      `${WAITING_LANES}
      SELECT id FROM lane WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM endpoints WHERE id = lane.id)
      UNION ALL SELECT id FROM endpoints WHERE deleted_at IS NOT NULL`,
    )
    .pluck()
  const left = db.prepare<[string, number], Delivery>(
    `SELECT ${selectList(deliveries)} FROM deliveries WHERE endpoint_id = ? AND ${WAITING} LIMIT ?`,
  )
  const removeEndpoint = db.prepare(
    `DELETE FROM endpoints WHERE id = @id AND NOT EXISTS
      (SELECT 1 FROM deliveries WHERE endpoint_id = @id AND finished_at IS NULL)`,
  )
  return {
    expire: ({ heldBefore, enabledAfter, ...request }) =>
      writer.run(() => {
        const { now, limit } = request
        let count = 0
        for (const { id, disabledAt, enabledAt } of lanes.all()) {
          if (count >= limit) break
          if (disabledAt === null && enabledAt !== null && enabledAt > enabledAfter) continue
          const before = disabledAt === null ? now : heldBefore
          const gone = expired.all(id, before, limit - count)
          bury(gone, 'expired', request)
          count += gone.length
        }
        return count
      }),
    buryDeleted: (request) =>
      writer.run(() => {
        const { limit } = request
        let count = 0
        for (const id of deleted.all() as string[]) {
          const gone = left.all(id, limit - count)
          bury(gone, 'endpoint_deleted', request)
          count += gone.length
          if (count >= limit) break
          removeEndpoint.run({ id })
        }
        return count
      }),
  }
}

function burier(db: Database) {
  const end = db.prepare(
    `UPDATE deliveries SET status = 'dead', finished_at = @now, last_error_class = @errorClass, last_error = @error
      WHERE id = @id`,
  )
  const times = db.prepare<[string], { first: number | null; last: number | null }>(
    'SELECT min(started_at) AS first, max(started_at) AS last FROM attempts WHERE delivery_id = ?',
  )
  const insert = db.prepare(insertInto(deadLetters))
  const order = orderKeeper(db)
  const tell = eventAcceptor(db)
  return (gone: readonly Delivery[], reason: GiveUpReason, { now, newId, notices }: BurialRequest): void => {
    for (const delivery of gone) {
      const { errorClass, error, ...letter } = givenUpRow(delivery, reason, now, newId(), times.get(delivery.id))
      end.run({ id: delivery.id, now, errorClass, error })
      insert.run({ ...letter, errorClass })
      for (const event of notices.ofDeath({ ...letter, errorClass }, delivery.eventType)) tell(event, null)
      order.releaseNext(delivery, now)
    }
  }
}
