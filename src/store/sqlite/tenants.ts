import type { Database } from 'better-sqlite3'
import { ADMINS } from '../admins.ts'
import type { AddedTenant, PublicKey, Tenant, TenantStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer, keyTaker } from './idempotency-keys.ts'
import type { KnownCallers } from './keys.ts'
import { auditLog, tenants } from './schema.ts'
import { insertInto, selectList, updateById } from './statements.ts'

const ALL = selectList(tenants)

/** @param known Forgotten when the limits of a tenant may have changed */
export function sqliteTenants(db: Database, writer: GroupCommit, known: KnownCallers): TenantStore {
  const byId = db.prepare<[string], Tenant>(`SELECT ${ALL} FROM tenants WHERE id = ?`)
  const several = db.prepare<[], number>('SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 2)').pluck()
  const byName = db.prepare<[string], Tenant>(`SELECT ${ALL} FROM tenants WHERE name = ?`)
  const list = db.prepare<[object], Tenant>(
    `SELECT ${ALL} FROM tenants WHERE @before IS NULL OR id < @before ORDER BY id DESC LIMIT @limit`,
  )
  const add = db.prepare(insertInto(tenants))
  const change = db.prepare(updateById(tenants))
  const save = db.prepare<[Tenant], Tenant>(
    `${insertInto(tenants)} ON CONFLICT (name) DO UPDATE SET signing_secret = excluded.signing_secret RETURNING ${ALL}`,
  )
  const giveKey = db.prepare(
    'UPDATE tenants SET signing_key = @signingKey, public_key = @publicKey WHERE id = @id AND signing_key IS NULL',
  )
  const publicKeys = db.prepare<[], PublicKey>(
    'SELECT id AS "tenantId", public_key AS "publicKey" FROM tenants WHERE public_key IS NOT NULL ORDER BY id',
  )
  const takeKey = keyTaker(db)
  const freeKey = keyFreer(db)
  const addAudit = db.prepare(insertInto(auditLog))
  return {
    add: (tenant, key, audit) =>
      writer.run((): AddedTenant => {
        const taken = takeKey(key, { tenantId: ADMINS, resourceId: tenant.id, createdAt: tenant.createdAt })
        if (taken !== null) {
          const made = byId.get(taken.resourceId ?? '')
          return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', tenant: made }
        }
        if (byName.get(tenant.name) !== undefined) {
          freeKey(tenant.id)
          return { kind: 'name_taken' }
        }
        add.run(tenant)
        addAudit.run(audit)
        return { kind: 'created', tenant }
      }),
    list: async (page) => list.all(page),
    update: (id, make, audit) =>
      writer.run(() => {
        const tenant = byId.get(id)
        if (tenant === undefined) return null
        const changed = make(tenant)
        if (changed.name !== tenant.name && byName.get(changed.name) !== undefined) return 'name_taken'
        change.run(changed)
        known.clear()
        if (audit !== null) addAudit.run(audit)
        return changed
      }),
    findTenant: async (id) => byId.get(id) ?? null,
    several: async () => (several.get() as number) > 1,
    findTenantByName: async (name) => byName.get(name) ?? null,
    saveTenant: (tenant) => writer.run(() => save.get(tenant) as Tenant),
    giveSigningKey: (id, key) =>
      writer.run(() => {
        giveKey.run({ id, ...key })
        return byId.get(id) ?? null
      }),
    publicKeys: async () => publicKeys.all(),
  }
}
