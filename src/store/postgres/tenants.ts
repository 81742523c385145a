import { ADMINS } from '../admins.ts'
import type { AddedTenant, PublicKey, Tenant, TenantStore } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { isDuplicate } from './failures.ts'
import { freeKeys, orKeyBusy, takeKey } from './idempotency-keys.ts'
import { insertRows, rowsOf, selectList, updateRows } from './rows.ts'
import { auditLog, tenants } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(tenants)
const byId = statement(`SELECT ${ALL} FROM tenants WHERE id = @id`)
const hold = statement(`SELECT ${ALL} FROM tenants WHERE id = @id FOR NO KEY UPDATE`)
const several = statement('SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 2) AS tenant')
const byName = statement(`SELECT ${ALL} FROM tenants WHERE name = @name`)
const list = statement(
  `SELECT ${ALL} FROM tenants WHERE @before::text IS NULL OR id < @before ORDER BY id DESC LIMIT @limit`,
)
const add = statement(`${insertRows(tenants)} ON CONFLICT (name) DO NOTHING`)
// Nothing is changed where another tenant has the name. Of two that want one at once, the second waits and fails.
const change = statement(
  `${updateRows(tenants)} AND NOT EXISTS (SELECT 1 FROM tenants o WHERE o.name = given.name AND o.id <> given.id)`,
)
const save = statement(
  `${insertRows(tenants)} ON CONFLICT (name) DO UPDATE SET signing_secret = excluded.signing_secret RETURNING ${ALL}`,
)
const giveKey = statement(
  'UPDATE tenants SET signing_key = @signingKey, public_key = @publicKey WHERE id = @id AND signing_key IS NULL',
)
const publicKeys = statement(
  'SELECT id AS "tenantId", public_key AS "publicKey" FROM tenants WHERE public_key IS NOT NULL ORDER BY id',
)
const addAudit = statement(insertRows(auditLog))

export function postgresTenants(db: Database): TenantStore {
  const tenant = (query: ReturnType<typeof byId>) => only(db, query)
  return {
    add: (row, key, audit) =>
      db
        .transaction(async (tx): Promise<AddedTenant> => {
          const { id: resourceId, createdAt } = row
          const known = await takeKey(tx, key, { tenantId: ADMINS, resourceId, createdAt })
          if (known !== null) {
            const made = await only(tx, byId({ id: known.resourceId ?? '' }))
            return made === null ? { kind: 'key_reused' } : { kind: 'repeated', tenant: made }
          }
          if ((await tx.changes(add({ rows: rowsOf(tenants, [row]) }))) === 0) {
            await freeKeys(tx, [row.id])
            return { kind: 'name_taken' }
          }
          await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
          return { kind: 'created', tenant: row }
        })
        .catch(orKeyBusy(key)),
    list: (page) => db.rows<Tenant>(list({ ...page })),
    update: (id, make, audit) =>
      db
        .transaction(async (tx) => {
          const held = await only(tx, hold({ id }))
          if (held === null) return null
          const changed = make(held)
          if ((await tx.changes(change({ rows: rowsOf(tenants, [changed]) }))) === 0) return 'name_taken'
          if (audit !== null) await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
          return changed
        })
        .catch((error: unknown) => {
          if (isDuplicate(error)) return 'name_taken' as const
          throw error
        }),
    findTenant: (id) => tenant(byId({ id })),
    several: async () => ((await db.rows<{ count: number }>(several()))[0]?.count ?? 0) > 1,
    findTenantByName: (name) => tenant(byName({ name })),
    saveTenant: async (row) => (await tenant(save({ rows: rowsOf(tenants, [row]) }))) as Tenant,
    giveSigningKey: async (id, key) => {
      // Whoever is second waits for the first one's commit, and reads what that has written.
      await db.changes(giveKey({ id, ...key }))
      return tenant(byId({ id }))
    },
    publicKeys: () => db.rows<PublicKey>(publicKeys()),
  }
}

async function only(on: Connection, query: ReturnType<typeof byId>): Promise<Tenant | null> {
  return (await on.rows<Tenant>(query))[0] ?? null
}
