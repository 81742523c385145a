import type { Database } from 'better-sqlite3'
import type { AuditEntry, AuditStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { auditLog } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

export function sqliteAudit(db: Database, writer: GroupCommit): AuditStore {
  const add = db.prepare(insertInto(auditLog))
  const list = db.prepare<[object], AuditEntry>(
    `SELECT ${selectList(auditLog)} FROM audit_log WHERE (@page IS NULL OR id < @page)
      AND (@actor IS NULL OR actor = @actor) AND (@action IS NULL OR action = @action)
      AND (@target IS NULL OR target = @target) AND (@after IS NULL OR at >= @after) AND (@before IS NULL OR at < @before)
      ORDER BY id DESC LIMIT @limit`,
  )
  const none = { actor: null, action: null, target: null, after: null, before: null }
  return {
    add: (entry) => writer.run(() => void add.run(entry)),
    list: async (filter, { before: page, limit }) => {
      const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
      return list.all({ ...none, ...given, page, limit })
    },
  }
}
