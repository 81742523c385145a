import type { Database } from 'better-sqlite3'
import {
  enabledEndpoint,
  isToBeEnabled,
  judgeRestart,
  type Restart,
  type RestartRequest,
  type RestartRow,
} from '../restart-rows.ts'
import type { Endpoint } from '../store.ts'
import { laneUpdate } from './endpoints.ts'
import { endpoints } from './schema.ts'
import { selectList } from './statements.ts'

/** Sends a delivery again that has ended. To be called inside a transaction. */
export type RestartDelivery = (deliveryId: string, request: RestartRequest) => Restart

export function deliveryRestarter(db: Database): RestartDelivery {
  // The length alone: that does not read the event (SQLite, "octet_length").
  const find = db.prepare<[string], RestartRow>(
    `SELECT id, endpoint_id AS endpointId, finished_at AS finishedAt, replays,
      (SELECT octet_length(body) FROM events WHERE id = event_id) AS bytes FROM deliveries WHERE id = ?`,
  )
  const findEndpoint = db.prepare<[string], Endpoint>(`SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ?`)
  const saveLane = db.prepare(laneUpdate)
  const setEnabled = db.prepare('UPDATE endpoints SET enabled_at = @enabledAt WHERE id = @id')
  const restart = db.prepare(
    `UPDATE deliveries SET status = 'pending', due_at = @now, attempts = 0, replays = replays + 1,
      expires_at = @expiresAt, finished_at = NULL WHERE id = @deliveryId`,
  )
  const mark = db.prepare(
    `UPDATE dead_letters SET replayed_at = @now, replayed_by = @by
      WHERE delivery_id = @deliveryId AND replayed_at IS NULL`,
  )
  return (deliveryId, request) => {
    const { now, expiresAt, by } = request
    const row = find.get(deliveryId)
    const endpoint = row && findEndpoint.get(row.endpointId)
    const judged = judgeRestart(row, endpoint, request)
    if (judged !== 'restarted' && judged !== 'running') return judged
    if (endpoint !== undefined && isToBeEnabled(endpoint, request)) {
      const enabled = enabledEndpoint(endpoint, now)
      saveLane.run(enabled)
      setEnabled.run(enabled)
    }
    if (judged === 'running') return judged
    restart.run({ deliveryId, now, expiresAt })
    mark.run({ deliveryId, now, by })
    return judged
  }
}
