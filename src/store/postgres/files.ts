import type { AddedFile, FileRow, FileStore } from '../store.ts'
import type { Database } from './database.ts'
import { freeKeys, orKeyBusy, takeKey } from './idempotency-keys.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { files } from './schema.ts'
import { statement } from './statement.ts'

const add = statement(insertRows(files))
const find = statement(
  `SELECT ${selectList(files)} FROM files WHERE id = @id AND (@tenantId::text IS NULL OR tenant_id = @tenantId)`,
)
const known = statement('SELECT id FROM files WHERE id = ANY (@ids)')
const removeOrphans = statement(
  `DELETE FROM files WHERE id IN (SELECT id FROM files f WHERE job_id IS NULL AND created_at <= @before
    AND NOT EXISTS (SELECT 1 FROM file_refs WHERE file_id = f.id) LIMIT @limit) RETURNING id`,
)

export function postgresFiles(db: Database): FileStore {
  const get = async (tenantId: string | null, id: string) => (await db.rows<FileRow>(find({ tenantId, id })))[0] ?? null
  return {
    get,
    add: (file, key) =>
      db
        .transaction(async (tx): Promise<AddedFile> => {
          const { tenantId, id: resourceId, createdAt } = file
          const known = await takeKey(tx, key, { tenantId, resourceId, createdAt })
          if (known !== null) {
            const [made] = await tx.rows<FileRow>(find({ tenantId, id: known.resourceId ?? '' }))
            return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', file: made }
          }
          await tx.changes(add({ rows: rowsOf(files, [file]) }))
          return { kind: 'created', file }
        })
        .catch(orKeyBusy(key)),
    unknown: async (ids) => {
      const rows = await db.rows<{ id: string }>(known({ ids }))
      const present = new Set(rows.map(({ id }) => id))
      return ids.filter((id) => !present.has(id))
    },
    removeOrphans: (before, limit) =>
      db.transaction(async (tx) => {
        const ids = (await tx.rows<{ id: string }>(removeOrphans({ before, limit }))).map(({ id }) => id)
        await freeKeys(tx, ids)
        return ids
      }),
  }
}
