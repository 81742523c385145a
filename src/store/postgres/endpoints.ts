import type { AddedEndpoint, Endpoint, EndpointStore } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { freeKeys, orKeyBusy, takeKey } from './idempotency-keys.ts'
import { insertRows, rowsOf, selectList, updateRows } from './rows.ts'
import { auditLog, endpoints } from './schema.ts'
import { sharedRead } from './shared-read.ts'
import { statement } from './statement.ts'

const ALL = selectList(endpoints)
const REGISTERED = "kind = 'registered' AND deleted_at IS NULL"
const VISIBLE = `${REGISTERED} AND (@tenantId::text IS NULL OR tenant_id = @tenantId)`
const add = statement(insertRows(endpoints))
const get = statement(`SELECT ${ALL} FROM endpoints WHERE id = @id AND ${VISIBLE}`)
const urls = statement(`SELECT id, tenant_id AS "tenantId", url FROM endpoints WHERE id = ANY (@ids) AND ${REGISTERED}`)
const hold = statement(`SELECT ${ALL} FROM endpoints WHERE id = @id AND ${VISIBLE} FOR NO KEY UPDATE`)
const list = statement(
  `SELECT ${ALL} FROM endpoints WHERE ${VISIBLE} AND (@before::text IS NULL OR id < @before)
    AND (@trouble::text IS NULL OR CASE @trouble WHEN 'disabled' THEN disabled_at ELSE probe_at END IS NOT NULL)
    ORDER BY id DESC LIMIT @limit`,
)
const save = statement(updateRows(endpoints))
const remove = statement(
  `UPDATE endpoints SET deleted_at = @now, disabled_at = coalesce(disabled_at, @now) WHERE id = @id AND ${VISIBLE}`,
)

const addAudit = statement(insertRows(auditLog))

export function postgresEndpoints(db: Database): EndpointStore {
  const target = sharedRead(
    async (ids: string[]) =>
      new Map((await db.rows<Pick<Endpoint, 'id' | 'tenantId' | 'url'>>(urls({ ids }))).map((row) => [row.id, row])),
  )
  return {
    add: (endpoint, key) =>
      db
        .transaction(async (tx): Promise<AddedEndpoint> => {
          const { tenantId, id: resourceId, createdAt } = endpoint
          const known = await takeKey(tx, key, { tenantId, resourceId, createdAt })
          if (known !== null) {
            const made = await find(tx, get({ tenantId, id: known.resourceId ?? '' }))
            return made === null ? { kind: 'key_reused' } : { kind: 'repeated', endpoint: made }
          }
          await tx.changes(add({ rows: rowsOf(endpoints, [endpoint]) }))
          return { kind: 'created', endpoint }
        })
        .catch(orKeyBusy(key)),
    get: (tenantId, id) => find(db, get({ tenantId, id })),
    urlOf: async (tenantId, id) => {
      const found = await target(id)
      return found?.tenantId === tenantId ? found.url : null
    },
    list: (tenantId, page, trouble) => db.rows<Endpoint>(list({ tenantId, ...page, trouble: trouble ?? null })),
    update: (tenantId, id, change, audit = null) =>
      db.transaction(async (tx) => {
        const endpoint = await find(tx, hold({ tenantId, id }))
        if (endpoint === null) return null
        const changed = change(endpoint)
        await tx.changes(save({ rows: rowsOf(endpoints, [changed]) }))
        if (audit !== null) await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
        return changed
      }),
    remove: (tenantId, id, now) =>
      db.transaction(async (tx) => {
        const removed = (await tx.changes(remove({ tenantId, id, now }))) > 0
        if (removed) await freeKeys(tx, [id])
        return removed
      }),
  }
}

async function find(on: Connection, query: ReturnType<typeof get>): Promise<Endpoint | null> {
  return (await on.rows<Endpoint>(query))[0] ?? null
}
