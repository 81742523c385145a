import type { Database } from 'better-sqlite3'
import type { DeliveryStore, DeliveryView, Replayed } from '../store.ts'
import { type DeliveryRow, SELECT_VIEW, view } from './delivery-view.ts'
import type { GroupCommit } from './group-commit.ts'
import { deliveryRestarter } from './restart.ts'
import { auditLog } from './schema.ts'
import { insertInto } from './statements.ts'

export function replayer(db: Database, writer: GroupCommit): DeliveryStore['replay'] {
  const find = db.prepare<[{ id: string; tenantId: string | null }], DeliveryRow>(
    `${SELECT_VIEW} WHERE d.id = @id AND (@tenantId IS NULL OR d.tenant_id = @tenantId)`,
  )
  const restart = deliveryRestarter(db)
  const insertAudit = db.prepare(insertInto(auditLog))
  return ({ deliveryId, tenantId, enable, audit, ...request }) =>
    writer.run((): Replayed => {
      if (find.get({ id: deliveryId, tenantId }) === undefined) return { kind: 'not_found' }
      const kind = restart(deliveryId, { ...request, enableUntil: enable ? request.now : null })
      if (kind !== 'restarted' && kind !== 'running') return { kind }
      const fresh = kind === 'restarted'
      if (fresh && audit !== null) insertAudit.run(audit)
      return { kind: 'replaying', delivery: view(find.get({ id: deliveryId, tenantId })) as DeliveryView, fresh }
    })
}
