import type { ApiKey, PublicKey, Tenant, TenantStore } from '../store.ts'
import type { Database } from './database.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { apiKeys, tenants } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(tenants)
const findKey = statement(`SELECT ${selectList(apiKeys)} FROM api_keys WHERE hash = @hash AND revoked_at IS NULL`)
const byId = statement(`SELECT ${ALL} FROM tenants WHERE id = @id`)
const several = statement('SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 2) AS tenant')
const byName = statement(`SELECT ${ALL} FROM tenants WHERE name = @name`)
const save = statement(
  `${insertRows(tenants)} ON CONFLICT (name) DO UPDATE SET signing_secret = excluded.signing_secret RETURNING ${ALL}`,
)
const addKey = statement(`${insertRows(apiKeys)} ON CONFLICT (hash) DO UPDATE SET
  revoked_at = NULL, tenant_id = excluded.tenant_id, role = excluded.role, name = excluded.name`)
const revokeOthers = statement(
  `UPDATE api_keys SET revoked_at = @createdAt WHERE tenant_id IS NOT DISTINCT FROM @tenantId AND role = @role
    AND name = @name AND hash <> @hash AND revoked_at IS NULL`,
)
const giveKey = statement(
  'UPDATE tenants SET signing_key = @signingKey, public_key = @publicKey WHERE id = @id AND signing_key IS NULL',
)
const publicKeys = statement(
  'SELECT id AS "tenantId", public_key AS "publicKey" FROM tenants WHERE public_key IS NOT NULL ORDER BY id',
)

export function postgresTenants(db: Database): TenantStore {
  const tenant = async (query: ReturnType<typeof byId>) => (await db.rows<Tenant>(query))[0] ?? null
  return {
    findKey: async (hash) => (await db.rows<ApiKey>(findKey({ hash })))[0] ?? null,
    findTenant: (id) => tenant(byId({ id })),
    several: async () => ((await db.rows<{ count: number }>(several()))[0]?.count ?? 0) > 1,
    findTenantByName: (name) => tenant(byName({ name })),
    saveTenant: async (row) => (await tenant(save({ rows: rowsOf(tenants, [row]) }))) as Tenant,
    replaceKey: (key) =>
      db.transaction(async (tx) => {
        await tx.changes(revokeOthers({ ...key }))
        await tx.changes(addKey({ rows: rowsOf(apiKeys, [key]) }))
      }),
    giveSigningKey: async (id, key) => {
      // Whoever is second waits for the first one's commit, and reads what that has written.
      await db.changes(giveKey({ id, ...key }))
      return tenant(byId({ id }))
    },
    publicKeys: () => db.rows<PublicKey>(publicKeys()),
  }
}
