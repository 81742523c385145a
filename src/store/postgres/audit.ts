import type { AuditEntry, AuditStore } from '../store.ts'
import type { Database } from './database.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { auditLog } from './schema.ts'
import { statement } from './statement.ts'

const add = statement(insertRows(auditLog))
const list = statement(
  `SELECT ${selectList(auditLog)} FROM audit_log WHERE (@page::text IS NULL OR id < @page)
    AND (@actor::text IS NULL OR actor = @actor) AND (@action::text IS NULL OR action = @action)
    AND (@target::text IS NULL OR target = @target)
    AND (@requestId::text IS NULL OR request_id = @requestId)
    AND (@after::bigint IS NULL OR at >= @after) AND (@before::bigint IS NULL OR at < @before)
    ORDER BY id DESC LIMIT @limit`,
)

const NONE = { actor: null, action: null, target: null, requestId: null, after: null, before: null }

export function postgresAudit(db: Database): AuditStore {
  return {
    add: async (entry) => {
      await db.changes(add({ rows: rowsOf(auditLog, [entry]) }))
    },
    list: (filter, page) => db.rows<AuditEntry>(list({ ...NONE, ...filter, page: page.before, limit: page.limit })),
  }
}
