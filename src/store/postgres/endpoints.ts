import { getTableColumns } from 'drizzle-orm'
import type { AddedEndpoint, Endpoint, EndpointStore } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { isLocked } from './failures.ts'
import { findKeys, takeKeys } from './idempotency-keys.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { auditLog, endpoints } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(endpoints)
const VISIBLE = "kind = 'registered' AND deleted_at IS NULL AND (@tenantId::text IS NULL OR tenant_id = @tenantId)"
const add = statement(insertRows(endpoints))
const get = statement(`SELECT ${ALL} FROM endpoints WHERE id = @id AND ${VISIBLE}`)
const hold = statement(`SELECT ${ALL} FROM endpoints WHERE id = @id AND ${VISIBLE} FOR NO KEY UPDATE`)
const list = statement(
  `SELECT ${ALL} FROM endpoints WHERE ${VISIBLE} AND (@before::text IS NULL OR id < @before) ORDER BY id DESC LIMIT @limit`,
)
const names = Object.values(getTableColumns(endpoints)).map(({ name }) => name)
const save = statement(
  `UPDATE endpoints SET ${names.map((name) => `${name} = e.${name}`).join(', ')}
    FROM json_populate_recordset(NULL::endpoints, @rows) AS e WHERE endpoints.id = e.id`,
)
const remove = statement(
  `UPDATE endpoints SET deleted_at = @now, disabled_at = coalesce(disabled_at, @now) WHERE id = @id AND ${VISIBLE}`,
)

const addAudit = statement(insertRows(auditLog))
const freeKey = statement('DELETE FROM idempotency_keys WHERE resource_id = @id')

export function postgresEndpoints(db: Database): EndpointStore {
  return {
    add: (endpoint, key) =>
      db
        .transaction(async (tx): Promise<AddedEndpoint> => {
          const { tenantId, id: resourceId, createdAt } = endpoint
          const uses = key === null ? [] : [{ key, tenantId, resourceId, createdAt }]
          const taken = await takeKeys(tx, uses)
          if (key === null || taken.has(endpoint.id)) {
            await tx.changes(add({ rows: rowsOf(endpoints, [endpoint]) }))
            return { kind: 'created', endpoint }
          }
          const [use] = await findKeys(tx, uses)
          const made = await find(tx, get({ tenantId, id: use?.resourceId ?? '' }))
          return made === null ? { kind: 'key_reused' } : { kind: 'repeated', endpoint: made }
        })
        .catch((error: unknown): AddedEndpoint => {
          if (isLocked(error)) return { kind: 'key_busy' }
          throw error
        }),
    get: (tenantId, id) => find(db, get({ tenantId, id })),
    list: (tenantId, page) => db.rows<Endpoint>(list({ tenantId, ...page })),
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
        if (removed) await tx.changes(freeKey({ id }))
        return removed
      }),
  }
}

async function find(on: Connection, query: ReturnType<typeof get>): Promise<Endpoint | null> {
  return (await on.rows<Endpoint>(query))[0] ?? null
}
