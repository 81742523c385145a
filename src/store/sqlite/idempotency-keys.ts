import type { Database } from 'better-sqlite3'
import type { NewKey } from '../store.ts'
import { idempotencyKeys } from './schema.ts'
import { insertInto } from './statements.ts'

/** Who a key belongs to and what it makes. */
export interface KeyUse {
  tenantId: string
  resourceId: string
  createdAt: number
}

/**
 * Takes a key for what is about to be made. Null: it is ours, or there is none. Else what it stands for already;
 * `undefined` when that was another request. To be called inside a transaction.
 */
export type TakeKey = (key: NewKey | null, use: KeyUse) => null | { resourceId: string | undefined }

export function keyTaker(db: Database): TakeKey {
  const take = db.prepare(`${insertInto(idempotencyKeys)} ON CONFLICT DO NOTHING`)
  const find = keyFinder(db)
  return (key, use) => (key === null || take.run({ ...key, ...use }).changes > 0 ? null : find(use.tenantId, key))
}

/** The keys of what is gone are free again. To be called inside a transaction. */
export function keyFreer(db: Database): (resourceId: string) => void {
  const free = db.prepare('DELETE FROM idempotency_keys WHERE resource_id = ?')
  return (resourceId) => void free.run(resourceId)
}

/** What a key stands for; `undefined` when it was used for another request; null when it was not used. */
export function keyFinder(db: Database): (tenantId: string, key: NewKey) => null | { resourceId: string | undefined } {
  const find = db.prepare<[string, string], { fingerprint: string; resourceId: string }>(
    'SELECT fingerprint, resource_id AS resourceId FROM idempotency_keys WHERE tenant_id = ? AND key = ?',
  )
  return (tenantId, { key, fingerprint }) => {
    const known = find.get(tenantId, key)
    return known === undefined ? null : { resourceId: known.fingerprint === fingerprint ? known.resourceId : undefined }
  }
}
