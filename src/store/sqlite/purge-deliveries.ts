import type { Database } from 'better-sqlite3'
import type { DeliveryStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer } from './idempotency-keys.ts'

export function deliveryPurger(db: Database, writer: GroupCommit): DeliveryStore['purge'] {
  const remove = db.prepare<[number, number], { id: string; eventId: string }>(
    `DELETE FROM deliveries WHERE id IN
      (SELECT id FROM deliveries WHERE finished_at <= ? AND status IN ('delivered', 'dead') LIMIT ?)
      RETURNING id, event_id AS eventId`,
  )
  const removeAttempts = db.prepare('DELETE FROM attempts WHERE delivery_id = ?')
  const removeLetters = db.prepare('DELETE FROM dead_letters WHERE delivery_id = ?')
  const removeEvent = db.prepare(
    'DELETE FROM events WHERE id = @id AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = @id)',
  )
  const freeKey = keyFreer(db)
  return (finishedBefore, limit) =>
    writer.run(() => {
      const gone = remove.all(finishedBefore, limit)
      for (const { id, eventId } of gone) {
        removeAttempts.run(id)
        removeLetters.run(id)
        if (removeEvent.run({ id: eventId }).changes > 0) freeKey(eventId)
      }
      return gone.length
    })
}
