import type { Database } from 'better-sqlite3'
import type { AddedFile, ApiKey, FileRow, FileStore, PublicKey, Tenant, TenantStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyTaker } from './idempotency-keys.ts'
import { apiKeys, files, tenants } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

export function sqliteTenants(db: Database, writer: GroupCommit): TenantStore {
  const findKey = db.prepare<[string], ApiKey>(
    `SELECT ${selectList(apiKeys)} FROM api_keys WHERE hash = ? AND revoked_at IS NULL`,
  )
  const byId = db.prepare<[string], Tenant>(`SELECT ${selectList(tenants)} FROM tenants WHERE id = ?`)
  const several = db.prepare<[], number>('SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 2)').pluck()
  const byName = db.prepare<[string], Tenant>(`SELECT ${selectList(tenants)} FROM tenants WHERE name = ?`)
  const save = db.prepare<[Tenant], Tenant>(
    `${insertInto(tenants)} ON CONFLICT (name) DO UPDATE SET signing_secret = excluded.signing_secret
      RETURNING ${selectList(tenants)}`,
  )
  const addKey = db.prepare(`${insertInto(apiKeys)} ON CONFLICT (hash) DO UPDATE SET
      revoked_at = NULL, tenant_id = excluded.tenant_id, role = excluded.role, name = excluded.name`)
  const revokeOthers = db.prepare(
    `UPDATE api_keys SET revoked_at = @createdAt WHERE tenant_id IS @tenantId AND role = @role AND name = @name
      AND hash <> @hash AND revoked_at IS NULL`,
  )
  const giveKey = db.prepare(
    'UPDATE tenants SET signing_key = @signingKey, public_key = @publicKey WHERE id = @id AND signing_key IS NULL',
  )
  const publicKeys = db.prepare<[], PublicKey>(
    'SELECT id AS "tenantId", public_key AS "publicKey" FROM tenants WHERE public_key IS NOT NULL ORDER BY id',
  )
  return {
    findKey: async (hash) => findKey.get(hash) ?? null,
    findTenant: async (id) => byId.get(id) ?? null,
    several: async () => (several.get() as number) > 1,
    findTenantByName: async (name) => byName.get(name) ?? null,
    saveTenant: (tenant) => writer.run(() => save.get(tenant) as Tenant),
    replaceKey: (key) =>
      writer.run(() => {
        revokeOthers.run(key)
        addKey.run(key)
      }),
    giveSigningKey: (id, key) =>
      writer.run(() => {
        giveKey.run({ id, ...key })
        return byId.get(id) ?? null
      }),
    publicKeys: async () => publicKeys.all(),
  }
}

export function sqliteFiles(db: Database, writer: GroupCommit): FileStore {
  const add = db.prepare(insertInto(files))
  const takeKey = keyTaker(db)
  const get = db.prepare<[string, string], FileRow>(
    `SELECT ${selectList(files)} FROM files WHERE id = ? AND tenant_id = ?`,
  )
  const exists = db.prepare<[string], number>('SELECT 1 FROM files WHERE id = ?').pluck()
  const orphans = db
    .prepare<[number, number], string>(
      `DELETE FROM files WHERE id IN (SELECT id FROM files f WHERE job_id IS NULL AND created_at <= ?
        AND NOT EXISTS (SELECT 1 FROM file_refs WHERE file_id = f.id) LIMIT ?) RETURNING id`,
    )
    .pluck()
  const removeKey = db.prepare('DELETE FROM idempotency_keys WHERE resource_id = ?')
  return {
    add: (file, key) =>
      writer.run((): AddedFile => {
        const taken = takeKey(key, { tenantId: file.tenantId, resourceId: file.id, createdAt: file.createdAt })
        if (taken !== null) {
          const made = get.get(taken.resourceId ?? '', file.tenantId)
          return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', file: made }
        }
        add.run(file)
        return { kind: 'created', file }
      }),
    get: async (tenantId, id) => get.get(id, tenantId) ?? null,
    unknown: async (ids) => ids.filter((id) => exists.get(id) === undefined),
    removeOrphans: (uploadedBefore, limit) =>
      writer.run(() => {
        const ids = orphans.all(uploadedBefore, limit) as string[]
        for (const id of ids) removeKey.run(id)
        return ids
      }),
  }
}
