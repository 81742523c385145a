import { decodeSecret } from '../core/signature.ts'
import type { Sealer } from '../secrets.ts'
import type { TenantStore } from '../store/store.ts'

/** The HMAC keys that deliveries of a tenant are signed with, the newest first. */
export type SigningKeys = (tenantId: string) => Promise<Buffer[]>

/** Opened secrets are kept in memory by their sealed text, so that a changed secret counts at once. */
export function signingKeys(tenants: TenantStore, sealer: Sealer): SigningKeys {
  const opened = new Map<string, Buffer>()
  return async (tenantId) => {
    const tenant = await tenants.findTenant(tenantId)
    if (tenant === null) throw new Error(`the tenant ${tenantId} does not exist`)
    const known = opened.get(tenant.signingSecret)
    if (known !== undefined) return [known]
    const key = decodeSecret(sealer.open(tenant.signingSecret, signingSecretPlace(tenant.id)))
    if (key === null) throw new Error(`the signing secret of the tenant ${tenantId} is malformed`)
    opened.set(tenant.signingSecret, key)
    return [key]
  }
}

/** What a tenant's sealed signing secret is bound to. */
export function signingSecretPlace(tenantId: string): string {
  return `${tenantId}|tenants|signing_secret`
}
