import type { Database } from 'better-sqlite3'
import type { Delivery } from '../../core/delivery.ts'

/** Keeps the order of keys, on endpoints that ask for it. To be called inside a transaction. */
export interface OrderKeeper {
  /** Whether a new delivery of the key has to wait for one before it. */
  mustWait(endpointId: string, key: string): boolean
  /** Lets the next one go, now that this one has ended. A replay goes out of order, and lets nothing go. */
  releaseNext(delivery: Pick<Delivery, 'endpointId' | 'orderKey' | 'replays'>, now: number): void
}

export function orderKeeper(db: Database): OrderKeeper {
  const before = db.prepare(
    'SELECT 1 FROM deliveries WHERE endpoint_id = ? AND order_key = ? AND finished_at IS NULL AND replays = 0 LIMIT 1',
  )
  const release = db.prepare(
    `UPDATE deliveries SET status = 'pending', due_at = @now WHERE id = (
      SELECT id FROM deliveries WHERE endpoint_id = @endpointId AND order_key = @orderKey AND finished_at IS NULL
        AND replays = 0 ORDER BY order_seq LIMIT 1) AND status = 'waiting'`,
  )
  return {
    mustWait: (endpointId, key) => before.get(endpointId, key) !== undefined,
    releaseNext({ endpointId, orderKey, replays }, now) {
      if (orderKey !== null && replays === 0) release.run({ endpointId, orderKey, now })
    },
  }
}
