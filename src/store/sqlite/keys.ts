import type { Database } from 'better-sqlite3'
import { ADMINS } from '../admins.ts'
import type { AddedKey, ApiKey, Caller, KeyStore } from '../store.ts'
import { unexpired } from '../unexpired.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyTaker } from './idempotency-keys.ts'
import { apiKeys, auditLog } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

const ALL = selectList(apiKeys)

/**
 * Callers by the hash of their key, as nearly every request asks for the same few. No other process writes to the
 * database, so it is enough that whoever changes keys or limits forgets them, in the same turn.
 */
export type KnownCallers = Map<string, Caller>

/** Bounds their memory. */
const MAX_KNOWN = 10_000

export function sqliteKeys(db: Database, writer: GroupCommit, known: KnownCallers): KeyStore {
  const find = db.prepare<[string], Caller>(
    `SELECT ${selectList(apiKeys, 'k')}, t.poll_limit_per_s AS "pollLimitPerS",
        t.request_limit_per_s AS "requestLimitPerS"
      FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
      WHERE k.hash = ? AND k.revoked_at IS NULL`,
  )
  const byId = db.prepare<[string], ApiKey>(`SELECT ${ALL} FROM api_keys WHERE id = ?`)
  const list = db.prepare<[object], ApiKey>(
    `SELECT ${ALL} FROM api_keys WHERE (@before IS NULL OR id < @before) AND (@tenantId IS NULL OR tenant_id = @tenantId)
      ORDER BY id DESC LIMIT @limit`,
  )
  const add = db.prepare(insertInto(apiKeys))
  const addOrRenew = db.prepare(`${insertInto(apiKeys)} ON CONFLICT (hash) DO UPDATE SET
      revoked_at = NULL, tenant_id = excluded.tenant_id, role = excluded.role, name = excluded.name`)
  const revokeOthers = db.prepare(
    `UPDATE api_keys SET revoked_at = @createdAt WHERE tenant_id IS @tenantId AND role = @role AND name = @name
      AND hash <> @hash AND revoked_at IS NULL`,
  )
  const revoke = db.prepare('UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL')
  const setUsed = db.prepare('UPDATE api_keys SET last_used_at = ? WHERE id = ?')
  const takeKey = keyTaker(db)
  const addAudit = db.prepare(insertInto(auditLog))
  const remember = (caller: Caller | undefined): Caller | undefined => {
    if (known.size >= MAX_KNOWN) known.clear()
    if (caller !== undefined) known.set(caller.hash, caller)
    return caller
  }
  return {
    find: async (hash, now) => unexpired(known.get(hash) ?? remember(find.get(hash)), now),
    replace: (key) =>
      writer.run(() => {
        revokeOthers.run(key)
        addOrRenew.run(key)
        known.clear()
      }),
    add: (apiKey, key, audit) =>
      writer.run((): AddedKey => {
        const taken = takeKey(key, { tenantId: ADMINS, resourceId: apiKey.id, createdAt: apiKey.createdAt })
        if (taken !== null) {
          const made = byId.get(taken.resourceId ?? '')
          return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', apiKey: made }
        }
        add.run(apiKey)
        addAudit.run(audit)
        return { kind: 'created', apiKey }
      }),
    get: async (id) => byId.get(id) ?? null,
    list: async (tenantId, page) => list.all({ tenantId: tenantId ?? null, ...page }),
    revoke: (id, now, audit) =>
      writer.run(() => {
        if (revoke.run(now, id).changes > 0) addAudit.run(audit)
        known.clear()
        return byId.get(id) ?? null
      }),
    saveUses: (uses) =>
      writer.run(() => {
        for (const [id, at] of uses) setUsed.run(at, id)
      }),
  }
}
