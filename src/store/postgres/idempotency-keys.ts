import type { NewKey } from '../store.ts'
import type { Connection } from './database.ts'
import { isLocked } from './failures.ts'
import { insertRows, recordsOf, rowsOf } from './rows.ts'
import { idempotencyKeys } from './schema.ts'
import { statement } from './statement.ts'

/** A key, who it belongs to and what it is to make. */
export interface KeyUse {
  key: NewKey
  tenantId: string
  resourceId: string
  createdAt: number
}

/** What a key stands for already; `undefined` when that was another request. */
export type KnownKey = { resourceId: string | undefined }

// In order, so that two groups with the same keys wait for each other instead of blocking each other.
const take = statement(
  `${insertRows(idempotencyKeys)} ORDER BY tenant_id, key ON CONFLICT DO NOTHING RETURNING resource_id AS "resourceId"`,
)
const find = statement(
  `SELECT k.tenant_id AS "tenantId", k.key, k.fingerprint, k.resource_id AS "resourceId"
    FROM json_to_recordset(@keys) AS wanted (tenant_id text, key text)
    JOIN idempotency_keys k ON k.tenant_id = wanted.tenant_id AND k.key = wanted.key`,
)
const removeKeys = statement('DELETE FROM idempotency_keys WHERE resource_id = ANY (@ids)')

/**
 * Takes keys for what is about to be made; returns the resources whose keys were free. A key that another transaction
 * is just taking is waited for.
 */
export async function takeKeys(tx: Connection, uses: readonly KeyUse[]): Promise<Set<string>> {
  if (uses.length === 0) return new Set()
  const rows = uses.map(({ key, ...use }) => ({ ...key, ...use }))
  const taken = await tx.rows<{ resourceId: string }>(take({ rows: rowsOf(idempotencyKeys, rows) }))
  return new Set(taken.map(({ resourceId }) => resourceId))
}

/**
 * Takes a key for what is about to be made. Null: it is ours, or there is none. Else what it stands for already;
 * `undefined` when that was another request.
 */
export async function takeKey(tx: Connection, key: NewKey | null, use: Omit<KeyUse, 'key'>): Promise<KnownKey | null> {
  if (key === null) return null
  const uses = [{ key, ...use }]
  if ((await takeKeys(tx, uses)).has(use.resourceId)) return null
  const [known] = await findKeys(tx, uses)
  return known ?? { resourceId: undefined }
}

/** For what takes a key and fails: another transaction is in the middle of the same. @throws whatever else it was */
export function orKeyBusy(key: NewKey | null): (error: unknown) => { kind: 'key_busy' } {
  return (error) => {
    if (key !== null && isLocked(error)) return { kind: 'key_busy' }
    throw error
  }
}

/** What each of the keys stands for, in their order; null for one that is free. */
export async function findKeys(
  tx: Connection,
  keys: readonly { tenantId: string; key: NewKey }[],
): Promise<(KnownKey | null)[]> {
  if (keys.length === 0) return []
  const wanted = recordsOf(keys.map(({ tenantId, key }) => ({ tenant_id: tenantId, key: key.key })))
  const rows = await tx.rows<NewKey & { tenantId: string; resourceId: string }>(find({ keys: wanted }))
  const known = new Map(rows.map((row) => [`${row.tenantId} ${row.key}`, row]))
  return keys.map(({ tenantId, key }) => {
    const row = known.get(`${tenantId} ${key.key}`)
    return row === undefined ? null : { resourceId: row.fingerprint === key.fingerprint ? row.resourceId : undefined }
  })
}

/** The keys of what is gone are free again. */
export async function freeKeys(tx: Connection, resourceIds: readonly string[]): Promise<void> {
  if (resourceIds.length > 0) await tx.changes(removeKeys({ ids: resourceIds }))
}
