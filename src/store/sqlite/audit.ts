import type { Database } from 'better-sqlite3'
import { and, desc, eq, getTableColumns, gte, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import type { AuditEntry, AuditStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Reader } from './reader.ts'
import { auditLog } from './schema.ts'
import { ifGiven, insertInto } from './statements.ts'

export function sqliteAudit(db: Database, writer: GroupCommit, reader: Reader): AuditStore {
  const add = db.prepare(insertInto(auditLog))
  const orm = drizzle(db)
  return {
    add: (entry) => writer.run(() => void add.run(entry)),
    list: (filter, page) => {
      const where = and(
        ifGiven(filter.actor, (actor) => eq(auditLog.actor, actor)),
        ifGiven(filter.action, (action) => eq(auditLog.action, action)),
        ifGiven(filter.target, (target) => eq(auditLog.target, target)),
        ifGiven(filter.requestId, (id) => eq(auditLog.requestId, id)),
        ifGiven(filter.after, (time) => gte(auditLog.at, time)),
        ifGiven(filter.before, (time) => lt(auditLog.at, time)),
        ifGiven(page.before, (id) => lt(auditLog.id, id)),
      )
      const query = orm.select().from(auditLog).where(where).orderBy(desc(auditLog.id)).limit(page.limit)
      return reader.rows<AuditEntry>(Object.keys(getTableColumns(auditLog)), query.toSQL())
    },
  }
}
