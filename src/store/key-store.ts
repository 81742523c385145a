import type { AuditEntry } from './delivery-store.ts'
import type { NewKey, Page } from './job-store.ts'
import type { Tenant } from './tenant-store.ts'

export type KeyRole = 'client' | 'admin'

export interface ApiKey {
  id: string
  /** Null for admin keys. */
  tenantId: string | null
  role: KeyRole
  name: string
  /** SHA-256 of the key, hex. The key itself is nowhere. */
  hash: string
  prefix: string
  lastFour: string
  createdAt: number
  /** From then on it is as if revoked. */
  expiresAt: number | null
  /** Exact to a minute. */
  lastUsedAt: number | null
  revokedAt: number | null
}

/** A key with the limits of its tenant. */
export interface Caller extends ApiKey, Pick<Tenant, 'pollLimitPerS' | 'requestLimitPerS'> {}

export type AddedKey =
  | { kind: 'created'; apiKey: ApiKey }
  /** The idempotency key was used for the same request before. */
  | { kind: 'repeated'; apiKey: ApiKey }
  | { kind: 'key_reused' }
  | { kind: 'key_busy' }

export interface KeyStore {
  /** The key with this hash, null when there is none, or it is revoked or expired. */
  find(hash: string, now: number): Promise<Caller | null>
  /** Adds a key and revokes other ones of the same tenant, role and name; a known key is valid again. */
  replace(key: ApiKey): Promise<void>
  /** @param key Of an admin */
  add(apiKey: ApiKey, key: NewKey | null, audit: AuditEntry): Promise<AddedKey>
  get(id: string): Promise<ApiKey | null>
  /** Newest first, revoked ones too. @param tenantId Undefined: all, admins' keys as well */
  list(tenantId: string | undefined, page: Page): Promise<ApiKey[]>
  /** From the commit on nobody calls with it. Null when there is no such key; one that is revoked already stays as it is. */
  revoke(id: string, now: number, audit: AuditEntry): Promise<ApiKey | null>
  /** When keys were used last, by their ids. */
  saveUses(uses: ReadonlyMap<string, number>): Promise<void>
}
