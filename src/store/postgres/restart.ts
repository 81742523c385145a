import {
  enabledEndpoint,
  isToBeEnabled,
  judgeRestart,
  type Restart,
  type RestartRequest,
  type RestartRow,
} from '../restart-rows.ts'
import type { Endpoint } from '../store.ts'
import type { Connection } from './database.ts'
import { lockEndpoints, saveLanes } from './lanes.ts'
import { selectList } from './rows.ts'
import { endpoints } from './schema.ts'
import { statement } from './statement.ts'

// The length alone: that does not read the event.
const find = statement(
  `SELECT id, endpoint_id AS "endpointId", finished_at AS "finishedAt", replays,
    (SELECT octet_length(body) FROM events WHERE id = event_id) AS bytes
    FROM deliveries WHERE id = ANY (@ids) ORDER BY id FOR NO KEY UPDATE`,
)
// Kept from being removed, and otherwise not in the way of claims on the lane.
const keep = statement(`SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ANY (@ids) ORDER BY id FOR KEY SHARE`)
const setEnabled = statement('UPDATE endpoints SET enabled_at = @now WHERE id = ANY (@ids)')
const restart = statement(
  `UPDATE deliveries SET status = 'pending', due_at = @now, attempts = 0, replays = replays + 1,
    expires_at = @expiresAt, finished_at = NULL WHERE id = ANY (@ids)`,
)
const mark = statement(
  `UPDATE dead_letters SET replayed_at = @now, replayed_by = @by WHERE delivery_id = ANY (@ids) AND replayed_at IS NULL`,
)

/** Sends deliveries again that have ended. Their endpoints are held before them, as everywhere. */
export async function restartDeliveries(
  tx: Connection,
  deliveries: readonly { deliveryId: string; endpointId: string }[],
  request: RestartRequest,
): Promise<Map<string, Restart>> {
  const { now, expiresAt, by } = request
  const lanes = await holdEndpoints(tx, [...new Set(deliveries.map(({ endpointId }) => endpointId))], request)
  const rows = await tx.rows<RestartRow>(find({ ids: deliveries.map(({ deliveryId }) => deliveryId) }))
  const found = new Map(rows.map((row) => [row.id, row]))
  const judged = new Map(
    deliveries.map(({ deliveryId, endpointId }) => {
      return [deliveryId, judgeRestart(found.get(deliveryId), lanes.get(endpointId), request)]
    }),
  )
  const going = rows.filter(({ id }) => ['restarted', 'running'].includes(judged.get(id) as Restart))
  const reached = new Set(going.map(({ endpointId }) => lanes.get(endpointId) as Endpoint))
  const disabled = [...reached].filter((endpoint) => isToBeEnabled(endpoint, request))
  await enable(tx, disabled, now)
  const ids = going.flatMap(({ id }) => (judged.get(id) === 'restarted' ? [id] : []))
  if (ids.length > 0) {
    await tx.changes(restart({ ids, now, expiresAt }))
    await tx.changes(mark({ ids, now, by }))
  }
  return judged
}

async function holdEndpoints(
  tx: Connection,
  ids: readonly string[],
  { enableUntil }: RestartRequest,
): Promise<Map<string, Endpoint>> {
  if (enableUntil !== null) return lockEndpoints(tx, ids)
  return new Map((await tx.rows<Endpoint>(keep({ ids }))).map((endpoint) => [endpoint.id, endpoint]))
}

async function enable(tx: Connection, disabled: readonly Endpoint[], now: number): Promise<void> {
  if (disabled.length === 0) return
  await saveLanes(
    tx,
    disabled.map((endpoint) => enabledEndpoint(endpoint, now)),
  )
  await tx.changes(setEnabled({ ids: disabled.map(({ id }) => id), now }))
}
