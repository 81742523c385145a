import type { JsonText } from '../core/job.ts'
import type { AuditEntry } from './delivery-store.ts'
import type { NewKey, Page } from './job-store.ts'

export interface Tenant {
  id: string
  name: string
  /** Sealed; see secrets.ts. */
  signingSecret: string
  /** Ed25519: `whsk_…`, sealed; null until the first endpoint asks for it. */
  signingKey: string | null
  /** `whpk_…` of the same. */
  publicKey: string | null
  /** JSON array of OldSecret. */
  oldSecrets: JsonText
  /** How often its keys may ask for jobs, each, and call at all, together: a second, in each process. Null: as the service is configured, and without limit. */
  pollLimitPerS: number | null
  requestLimitPerS: number | null
  createdAt: number
  updatedAt: number | null
}

export interface PublicKey {
  tenantId: string
  /** `whpk_…`. */
  publicKey: string
}

export type AddedTenant =
  | { kind: 'created'; tenant: Tenant }
  /** The key was used for the same request before: the tenant it made, as it is now. */
  | { kind: 'repeated'; tenant: Tenant }
  | { kind: 'key_reused' }
  | { kind: 'key_busy' }
  | { kind: 'name_taken' }

export interface TenantStore {
  /** @param key Of an admin */
  add(tenant: Tenant, key: NewKey | null, audit: AuditEntry): Promise<AddedTenant>
  /** Newest first. */
  list(page: Page): Promise<Tenant[]>
  /** Writes what `change` makes of the tenant. Null when there is none; `name_taken`: another one has that name. */
  update(
    id: string,
    change: (tenant: Tenant) => Tenant,
    audit: AuditEntry | null,
  ): Promise<Tenant | null | 'name_taken'>
  findTenant(id: string): Promise<Tenant | null>
  /** Whether there is more than one. */
  several(): Promise<boolean>
  findTenantByName(name: string): Promise<Tenant | null>
  /** Makes the tenant, or gives the one of that name a new signing secret. */
  saveTenant(tenant: Tenant): Promise<Tenant>
  /**
   * Gives the tenant an Ed25519 key, unless it has one. Returns the tenant with the one it has then, null when there
   * is no such tenant.
   */
  giveSigningKey(id: string, key: { signingKey: string; publicKey: string }): Promise<Tenant | null>
  /** The public keys of all tenants that have one, by the tenants' ids. */
  publicKeys(): Promise<PublicKey[]>
}
