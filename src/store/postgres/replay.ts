import type { DeliveryStore, DeliveryView, Replayed, ReplayRequest } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { type DeliveryRow, SELECT_VIEW, view } from './delivery-view.ts'
import { restartDeliveries } from './restart.ts'
import { insertRows, rowsOf } from './rows.ts'
import { auditLog } from './schema.ts'
import { statement } from './statement.ts'

const find = statement(`${SELECT_VIEW} WHERE d.id = @id AND (@tenantId::text IS NULL OR d.tenant_id = @tenantId)`)
const addAudit = statement(insertRows(auditLog))

export function replayer(db: Database): DeliveryStore['replay'] {
  return (request) => db.transaction((tx) => replay(tx, request))
}

async function replay(tx: Connection, given: ReplayRequest): Promise<Replayed> {
  const { deliveryId, tenantId, enable, audit, ...request } = given
  const [row] = await tx.rows<DeliveryRow>(find({ id: deliveryId, tenantId }))
  if (row === undefined) return { kind: 'not_found' }
  const { endpointId } = row
  const enableUntil = enable ? request.now : null
  const judged = await restartDeliveries(tx, [{ deliveryId, endpointId }], { ...request, enableUntil })
  const kind = judged.get(deliveryId) ?? 'not_found'
  if (kind !== 'restarted' && kind !== 'running') return { kind }
  const fresh = kind === 'restarted'
  if (fresh && audit !== null) await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
  const [after] = await tx.rows<DeliveryRow>(find({ id: deliveryId, tenantId }))
  return { kind: 'replaying', delivery: view(after) as DeliveryView, fresh }
}
