import type { Database } from 'better-sqlite3'
import type { BacklogRequest, DeliveryStore, Endpoint } from '../store.ts'
import { eventAcceptor } from './events.ts'
import type { GroupCommit } from './group-commit.ts'
import { endpoints } from './schema.ts'
import { selectList } from './statements.ts'
import { WAITING_LANES } from './waiting-lanes.ts'

/** How far what waits is counted. */
const COUNT = 10_000

/** Finds lanes on which something waits for too long. */
export function backlogTeller(db: Database, writer: GroupCommit): DeliveryStore['tellBacklogs'] {
  const found = db.prepare<[number], Endpoint>(
    `${WAITING_LANES}
    SELECT ${selectList(endpoints)} FROM endpoints
      WHERE id IN (SELECT id FROM lane) AND disabled_at IS NULL AND backlog_told_at IS NULL
        AND (SELECT min(due_at) FROM deliveries WHERE status = 'pending' AND endpoint_id = endpoints.id) < ?`,
  )
  const oldest = db.prepare<[string], { dueAt: number; eventType: string }>(
    `SELECT due_at AS dueAt, event_type AS eventType FROM deliveries
      WHERE status = 'pending' AND endpoint_id = ? ORDER BY due_at, id LIMIT 1`,
  )
  const count = db
    .prepare<[string, number], number>(
      `SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = ? LIMIT ?)`,
    )
    .pluck()
  const setTold = db.prepare('UPDATE endpoints SET backlog_told_at = ? WHERE id = ?')
  const clear = db.prepare(
    `UPDATE endpoints SET backlog_told_at = NULL WHERE backlog_told_at IS NOT NULL
      AND (disabled_at IS NOT NULL OR NOT EXISTS
        (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = endpoints.id AND due_at < ?))`,
  )
  const tell = eventAcceptor(db)
  return ({ now, dueBefore, notices }: BacklogRequest) =>
    writer.run(() => {
      clear.run(dueBefore)
      const high = found.all(dueBefore)
      for (const endpoint of high) {
        const { dueAt: oldestDueAt, eventType } = oldest.get(endpoint.id) as { dueAt: number; eventType: string }
        const pending = count.get(endpoint.id, COUNT) as number
        setTold.run(now, endpoint.id)
        for (const event of notices.ofBacklog(endpoint, { pending, oldestDueAt }, eventType, now)) tell(event, null)
      }
      return high.length
    })
}
