import type { Database } from 'better-sqlite3'
import { LANE_COLUMNS } from '../lane-columns.ts'
import type { AddedEndpoint, Endpoint, EndpointStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer, keyTaker } from './idempotency-keys.ts'
import { auditLog, endpoints } from './schema.ts'
import { insertInto, selectList, updateById } from './statements.ts'

const ALL = selectList(endpoints)
const REGISTERED = "kind = 'registered' AND deleted_at IS NULL"
const VISIBLE = `${REGISTERED} AND (@tenantId IS NULL OR tenant_id = @tenantId)`
/** Writes the state of a lane, from the members of an Endpoint. */
export const laneUpdate = updateById(endpoints, LANE_COLUMNS)

export function sqliteEndpoints(db: Database, writer: GroupCommit): EndpointStore {
  const add = db.prepare(insertInto(endpoints))
  const takeKey = keyTaker(db)
  const get = db.prepare<[object], Endpoint>(`SELECT ${ALL} FROM endpoints WHERE id = @id AND ${VISIBLE}`)
  const urlOf = db
    .prepare<[string, string], string | null>(
      `SELECT url FROM endpoints WHERE id = ? AND tenant_id = ? AND ${REGISTERED}`,
    )
    .pluck()
  const list = db.prepare<[object], Endpoint>(
    `SELECT ${ALL} FROM endpoints WHERE ${VISIBLE} AND (@before IS NULL OR id < @before)
      AND (@trouble IS NULL OR CASE @trouble WHEN 'disabled' THEN disabled_at ELSE probe_at END IS NOT NULL)
      ORDER BY id DESC LIMIT @limit`,
  )
  const save = db.prepare(updateById(endpoints))
  const remove = db.prepare(
    `UPDATE endpoints SET deleted_at = @now, disabled_at = coalesce(disabled_at, @now) WHERE id = @id AND ${VISIBLE}`,
  )
  const addAudit = db.prepare(insertInto(auditLog))
  const freeKey = keyFreer(db)
  return {
    add: (endpoint, key) =>
      writer.run((): AddedEndpoint => {
        const { tenantId, id: resourceId, createdAt } = endpoint
        const taken = takeKey(key, { tenantId, resourceId, createdAt })
        if (taken !== null) {
          const made = get.get({ tenantId, id: taken.resourceId ?? '' })
          return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', endpoint: made }
        }
        add.run(endpoint)
        return { kind: 'created', endpoint }
      }),
    get: async (tenantId, id) => get.get({ tenantId, id }) ?? null,
    urlOf: async (tenantId, id) => urlOf.get(id, tenantId) ?? null,
    list: async (tenantId, page, trouble) => list.all({ tenantId, ...page, trouble: trouble ?? null }),
    update: (tenantId, id, change, audit = null) =>
      writer.run(() => {
        const endpoint = get.get({ tenantId, id })
        if (endpoint === undefined) return null
        const changed = change(endpoint)
        save.run(changed)
        if (audit !== null) addAudit.run(audit)
        return changed
      }),
    remove: (tenantId, id, now) =>
      writer.run(() => {
        const removed = remove.run({ tenantId, id, now }).changes > 0
        if (removed) freeKey(id)
        return removed
      }),
  }
}
