import type { Database } from 'better-sqlite3'
import type { DeliveryStore, DeliveryView, Replayed, ReplayRequest } from '../store.ts'
import { type DeliveryRow, SELECT_VIEW, view } from './delivery-view.ts'
import type { GroupCommit } from './group-commit.ts'
import { auditLog } from './schema.ts'
import { insertInto } from './statements.ts'

type Found = DeliveryRow & { disabledAt: number | null }

export function replayer(db: Database, writer: GroupCommit): DeliveryStore['replay'] {
  const find = db.prepare<[{ id: string; tenantId: string | null }], Found>(
    `${SELECT_VIEW.replace(' FROM deliveries', ', e.disabled_at AS disabledAt FROM deliveries')}
      WHERE d.id = @id AND (@tenantId IS NULL OR d.tenant_id = @tenantId)`,
  )
  const restart = db.prepare(
    `UPDATE deliveries SET status = 'pending', due_at = @now, attempts = 0, replays = replays + 1,
      expires_at = @expiresAt, finished_at = NULL WHERE id = @deliveryId`,
  )
  const mark = db.prepare(
    `UPDATE dead_letters SET replayed_at = @now, replayed_by = @by
      WHERE delivery_id = @deliveryId AND replayed_at IS NULL`,
  )
  const body = db.prepare<[string], string>('SELECT body FROM events WHERE id = ?').pluck()
  const enable = db.prepare('UPDATE endpoints SET disabled_at = NULL WHERE id = ?')
  const insertAudit = db.prepare(insertInto(auditLog))
  return (request: ReplayRequest) =>
    writer.run((): Replayed => {
      const row = find.get({ id: request.deliveryId, tenantId: request.tenantId })
      if (row === undefined) return { kind: 'not_found' }
      const running = row.status === 'pending' || row.status === 'delivering'
      if (running && row.replays === 0) return { kind: 'pending' }
      if (body.get(row.eventId) === '') return { kind: 'payload_expired' }
      if (row.disabledAt !== null && !request.enable) return { kind: 'endpoint_disabled' }
      if (row.disabledAt !== null) enable.run(row.endpointId)
      if (!running) {
        if (request.audit !== null) insertAudit.run(request.audit)
        const { deliveryId, now, expiresAt, by } = request
        restart.run({ deliveryId, now, expiresAt })
        mark.run({ deliveryId, now, by })
      }
      const { disabledAt: _, ...after } = find.get({ id: request.deliveryId, tenantId: null }) as Found
      const delivery = view(after) as DeliveryView
      return { kind: 'replaying', delivery, fresh: !running }
    })
}
