import type { Database } from 'better-sqlite3'
import type { AddedFile, FileRow, FileStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer, keyTaker } from './idempotency-keys.ts'
import { files } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

export function sqliteFiles(db: Database, writer: GroupCommit): FileStore {
  const add = db.prepare(insertInto(files))
  const takeKey = keyTaker(db)
  const get = db.prepare<[object], FileRow>(
    `SELECT ${selectList(files)} FROM files WHERE id = @id AND (@tenantId IS NULL OR tenant_id = @tenantId)`,
  )
  const exists = db.prepare<[string], number>('SELECT 1 FROM files WHERE id = ?').pluck()
  const orphans = db
    .prepare<[number, number], string>(
      `DELETE FROM files WHERE id IN (SELECT id FROM files f WHERE job_id IS NULL AND created_at <= ?
        AND NOT EXISTS (SELECT 1 FROM file_refs WHERE file_id = f.id) LIMIT ?) RETURNING id`,
    )
    .pluck()
  const freeKey = keyFreer(db)
  return {
    add: (file, key) =>
      writer.run((): AddedFile => {
        const taken = takeKey(key, { tenantId: file.tenantId, resourceId: file.id, createdAt: file.createdAt })
        if (taken !== null) {
          const made = get.get({ id: taken.resourceId ?? '', tenantId: file.tenantId })
          return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', file: made }
        }
        add.run(file)
        return { kind: 'created', file }
      }),
    get: async (tenantId, id) => get.get({ id, tenantId }) ?? null,
    unknown: async (ids) => ids.filter((id) => exists.get(id) === undefined),
    removeOrphans: (uploadedBefore, limit) =>
      writer.run(() => {
        const ids = orphans.all(uploadedBefore, limit) as string[]
        for (const id of ids) freeKey(id)
        return ids
      }),
  }
}
