import type { DeliveryStore, DeliveryView, Replayed, ReplayRequest } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { type DeliveryRow, SELECT_VIEW, view } from './delivery-view.ts'
import { insertRows, rowsOf } from './rows.ts'
import { auditLog } from './schema.ts'
import { statement } from './statement.ts'

const find = statement(
  `${SELECT_VIEW} WHERE d.id = @id AND (@tenantId::text IS NULL OR d.tenant_id = @tenantId) FOR NO KEY UPDATE OF d`,
)
const body = statement('SELECT body FROM events WHERE id = @eventId')
const enable = statement('UPDATE endpoints SET disabled_at = NULL WHERE id = @endpointId')
const restart = statement(
  `UPDATE deliveries SET status = 'pending', due_at = @now, attempts = 0, replays = replays + 1,
    expires_at = @expiresAt, finished_at = NULL WHERE id = @deliveryId`,
)
const mark = statement(
  `UPDATE dead_letters SET replayed_at = @now, replayed_by = @by WHERE delivery_id = @deliveryId AND replayed_at IS NULL`,
)
const addAudit = statement(insertRows(auditLog))

export function replayer(db: Database): DeliveryStore['replay'] {
  return (request) => db.transaction((tx) => replay(tx, request))
}

async function replay(tx: Connection, request: ReplayRequest): Promise<Replayed> {
  const { deliveryId, tenantId, now, expiresAt, by } = request
  const [row] = await tx.rows<DeliveryRow>(find({ id: deliveryId, tenantId }))
  if (row === undefined) return { kind: 'not_found' }
  const running = row.status === 'pending' || row.status === 'delivering'
  if (running && row.replays === 0) return { kind: 'pending' }
  const [event] = await tx.rows<{ body: string }>(body({ eventId: row.eventId }))
  if (event === undefined || event.body === '') return { kind: 'payload_expired' }
  if (row.disabledAt !== null && !request.enable) return { kind: 'endpoint_disabled' }
  if (row.disabledAt !== null) await tx.changes(enable({ endpointId: row.endpointId }))
  if (!running) {
    if (request.audit !== null) await tx.changes(addAudit({ rows: rowsOf(auditLog, [request.audit]) }))
    await tx.changes(restart({ deliveryId, now, expiresAt }))
    await tx.changes(mark({ deliveryId, now, by }))
  }
  const [after] = await tx.rows<DeliveryRow>(find({ id: deliveryId, tenantId: null }))
  return { kind: 'replaying', delivery: view(after) as DeliveryView, fresh: !running }
}
