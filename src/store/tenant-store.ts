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
  revokedAt: number | null
}

export interface Tenant {
  id: string
  name: string
  /** Sealed; see secrets.ts. */
  signingSecret: string
  /** Ed25519: `whsk_…`, sealed; null until the first endpoint asks for it. */
  signingKey: string | null
  /** `whpk_…` of the same. */
  publicKey: string | null
  createdAt: number
}

export interface PublicKey {
  tenantId: string
  /** `whpk_…`. */
  publicKey: string
}

export interface TenantStore {
  /** The key with this hash, null when there is none or it is revoked. */
  findKey(hash: string): Promise<ApiKey | null>
  findTenant(id: string): Promise<Tenant | null>
  /** Whether there is more than one. */
  several(): Promise<boolean>
  findTenantByName(name: string): Promise<Tenant | null>
  /** Makes the tenant, or gives the one of that name a new signing secret. */
  saveTenant(tenant: Tenant): Promise<Tenant>
  /** Adds a key and revokes other ones of the same tenant, role and name; a known key is valid again. */
  replaceKey(key: ApiKey): Promise<void>
  /**
   * Gives the tenant an Ed25519 key, unless it has one. Returns the tenant with the one it has then, null when there
   * is no such tenant.
   */
  giveSigningKey(id: string, key: { signingKey: string; publicKey: string }): Promise<Tenant | null>
  /** The public keys of all tenants that have one, by the tenants' ids. */
  publicKeys(): Promise<PublicKey[]>
}
