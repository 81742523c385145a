import type { DeliveryStore } from '../store.ts'
import type { Database } from './database.ts'
import { freeKeys } from './idempotency-keys.ts'
import { statement } from './statement.ts'

const remove = statement(
  `DELETE FROM deliveries WHERE id IN
    (SELECT id FROM deliveries WHERE finished_at <= @before AND status IN ('delivered', 'dead')
      LIMIT @limit FOR UPDATE SKIP LOCKED)
    RETURNING id, event_id AS "eventId"`,
)
const removeAttempts = statement('DELETE FROM attempts WHERE delivery_id = ANY (@ids)')
const removeLetters = statement('DELETE FROM dead_letters WHERE delivery_id = ANY (@ids)')
const removeEvents = statement(
  'DELETE FROM events WHERE id = ANY (@ids) AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = events.id) RETURNING id',
)

export function deliveryPurger(db: Database): DeliveryStore['purge'] {
  return (before, limit) =>
    db.transaction(async (tx) => {
      const gone = await tx.rows<{ id: string; eventId: string }>(remove({ before, limit }))
      if (gone.length === 0) return 0
      const ids = gone.map(({ id }) => id)
      await tx.changes(removeAttempts({ ids }))
      await tx.changes(removeLetters({ ids }))
      const events = await tx.rows<{ id: string }>(removeEvents({ ids: gone.map(({ eventId }) => eventId) }))
      await freeKeys(
        tx,
        events.map(({ id }) => id),
      )
      return gone.length
    })
}
