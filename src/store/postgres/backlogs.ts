import type { DeliveryStore, Endpoint } from '../store.ts'
import type { Database } from './database.ts'
import { acceptEvent } from './events.ts'
import { selectList } from './rows.ts'
import { endpoints } from './schema.ts'
import { statement } from './statement.ts'
import { WAITING_LANES } from './waiting-lanes.ts'

/** How far what waits is counted. */
const COUNT = 10_000

// A lane that is busy at this moment is looked at the next time.
const clear = statement(
  `UPDATE endpoints SET backlog_told_at = NULL WHERE id IN
    (SELECT id FROM endpoints WHERE backlog_told_at IS NOT NULL AND (disabled_at IS NOT NULL OR NOT EXISTS
        (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = endpoints.id AND due_at < @dueBefore))
      FOR NO KEY UPDATE SKIP LOCKED)`,
)
const found = statement(
  `${WAITING_LANES}, high AS MATERIALIZED (
      SELECT id FROM endpoints WHERE id IN (SELECT id FROM lane) AND disabled_at IS NULL AND backlog_told_at IS NULL
        AND (SELECT due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = endpoints.id
          ORDER BY endpoint_id, due_at LIMIT 1) < @dueBefore
        FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE endpoints SET backlog_told_at = @now WHERE id IN (SELECT id FROM high) RETURNING ${selectList(endpoints)}`,
)
const waiting = statement(
  `SELECT oldest.*, (SELECT count(*)::int FROM
      (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = @id LIMIT ${COUNT}) AS counted) AS pending
    FROM (SELECT due_at AS "oldestDueAt", event_type AS "eventType" FROM deliveries
      WHERE status = 'pending' AND endpoint_id = @id ORDER BY endpoint_id, due_at, id LIMIT 1) oldest`,
)

interface Waiting {
  oldestDueAt: number
  eventType: string
  pending: number
}

/** Finds lanes on which something waits for too long. */
export function backlogTeller(db: Database): DeliveryStore['tellBacklogs'] {
  return ({ now, dueBefore, notices }) =>
    db.transaction(async (tx) => {
      await tx.changes(clear({ dueBefore }))
      const high = await tx.rows<Endpoint>(found({ now, dueBefore }))
      for (const endpoint of high) {
        // What was claimed meanwhile waits no longer.
        const [backlog] = await tx.rows<Waiting>(waiting({ id: endpoint.id }))
        if (backlog === undefined) continue
        const events = notices.ofBacklog(endpoint, backlog, backlog.eventType, now)
        for (const event of events) await acceptEvent(tx, event, null)
      }
      return high.length
    })
}
