import { ADMINS } from '../admins.ts'
import type { AddedKey, ApiKey, Caller, KeyStore } from '../store.ts'
import { unexpired } from '../unexpired.ts'
import type { Database } from './database.ts'
import { orKeyBusy, takeKey } from './idempotency-keys.ts'
import { insertRows, recordsOf, rowsOf, selectList } from './rows.ts'
import { apiKeys, auditLog } from './schema.ts'
import { sharedRead } from './shared-read.ts'
import { statement } from './statement.ts'

const ALL = selectList(apiKeys)
const find = statement(
  `SELECT ${selectList(apiKeys, 'k')}, t.poll_limit_per_s AS "pollLimitPerS",
      t.request_limit_per_s AS "requestLimitPerS"
    FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
    WHERE k.hash = ANY (@hashes) AND k.revoked_at IS NULL`,
)
const byId = statement(`SELECT ${ALL} FROM api_keys WHERE id = @id`)
const list = statement(
  `SELECT ${ALL} FROM api_keys WHERE (@before::text IS NULL OR id < @before)
    AND (@tenantId::text IS NULL OR tenant_id = @tenantId) ORDER BY id DESC LIMIT @limit`,
)
const add = statement(insertRows(apiKeys))
const addOrRenew = statement(`${insertRows(apiKeys)} ON CONFLICT (hash) DO UPDATE SET
  revoked_at = NULL, tenant_id = excluded.tenant_id, role = excluded.role, name = excluded.name`)
const revokeOthers = statement(
  `UPDATE api_keys SET revoked_at = @createdAt WHERE tenant_id IS NOT DISTINCT FROM @tenantId AND role = @role
    AND name = @name AND hash <> @hash AND revoked_at IS NULL`,
)
const revoke = statement('UPDATE api_keys SET revoked_at = @now WHERE id = @id AND revoked_at IS NULL')
// In order, so that two processes wait for each other.
const setUsed = statement(
  `WITH uses AS (SELECT * FROM json_to_recordset(@uses) AS u (id text, at bigint)),
      held AS MATERIALIZED (SELECT id FROM api_keys WHERE id IN (SELECT id FROM uses) ORDER BY id FOR NO KEY UPDATE)
    UPDATE api_keys SET last_used_at = greatest(last_used_at, uses.at) FROM uses JOIN held USING (id)
      WHERE api_keys.id = uses.id`,
)
const addAudit = statement(insertRows(auditLog))

export function postgresKeys(db: Database): KeyStore {
  const read = sharedRead(async (hashes: string[]) => {
    const callers = await db.rows<Caller>(find({ hashes }))
    return new Map(callers.map((caller) => [caller.hash, caller]))
  })
  return {
    find: async (hash, now) => unexpired(await read(hash), now),
    replace: (key) =>
      db.transaction(async (tx) => {
        await tx.changes(revokeOthers({ ...key }))
        await tx.changes(addOrRenew({ rows: rowsOf(apiKeys, [key]) }))
      }),
    add: (apiKey, key, audit) =>
      db
        .transaction(async (tx): Promise<AddedKey> => {
          const { id: resourceId, createdAt } = apiKey
          const known = await takeKey(tx, key, { tenantId: ADMINS, resourceId, createdAt })
          if (known !== null) {
            const [made] = await tx.rows<ApiKey>(byId({ id: known.resourceId ?? '' }))
            return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', apiKey: made }
          }
          await tx.changes(add({ rows: rowsOf(apiKeys, [apiKey]) }))
          await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
          return { kind: 'created', apiKey }
        })
        .catch(orKeyBusy(key)),
    get: async (id) => (await db.rows<ApiKey>(byId({ id })))[0] ?? null,
    list: (tenantId, page) => db.rows<ApiKey>(list({ tenantId: tenantId ?? null, ...page })),
    revoke: (id, now, audit) =>
      db.transaction(async (tx) => {
        const revoked = await tx.changes(revoke({ id, now }))
        if (revoked > 0) await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
        return (await tx.rows<ApiKey>(byId({ id })))[0] ?? null
      }),
    saveUses: async (uses) => {
      if (uses.size > 0) await db.changes(setUsed({ uses: recordsOf([...uses].map(([id, at]) => ({ id, at }))) }))
    },
  }
}
