import { createSecretKey, type KeyObject } from 'node:crypto'
import { decodeSecret, type SigningKey } from '../core/signature.ts'
import type { Sealer } from '../secrets.ts'
import type { Endpoint, TenantStore } from '../store/store.ts'
import { oldSecretsOf } from './old-secrets.ts'
import type { TenantKeys } from './tenant-keys.ts'

type Signed = Pick<Endpoint, 'id' | 'tenantId' | 'signingSecret' | 'oldSecrets' | 'ed25519'>

/** What deliveries to an endpoint are signed with: its secrets, the newest first, then the tenant's Ed25519 key. */
export type SigningKeys = (endpoint: Signed, now: number) => Promise<SigningKey[]>

/** An endpoint's own headers. */
export type CustomHeaders = (endpoint: Pick<Endpoint, 'id' | 'headers'>) => Record<string, string>

/** Bounds the memory for opened secrets. */
const MAX_OPENED = 100_000

/** Opened secrets are kept in memory by their sealed text, so that a changed secret counts at once. */
export function signingKeys(tenants: TenantStore, sealer: Sealer, tenantKeys: TenantKeys): SigningKeys {
  const opened = new Map<string, KeyObject>()
  const open = (sealed: string, place: string): KeyObject => {
    const known = opened.get(sealed)
    if (known !== undefined) return known
    const bytes = decodeSecret(sealer.open(sealed, place))
    if (bytes === null) throw new Error(`the signing secret at ${place} is malformed`)
    const key = createSecretKey(bytes)
    if (opened.size > MAX_OPENED) opened.clear()
    opened.set(sealed, key)
    return key
  }
  return async (endpoint, now) => {
    if (endpoint.signingSecret === null) {
      const tenant = await tenants.findTenant(endpoint.tenantId)
      if (tenant === null) throw new Error(`the tenant ${endpoint.tenantId} does not exist`)
      const place = signingSecretPlace(tenant.id)
      const old = oldSecretsOf(tenant.oldSecrets, now)
      return [tenant.signingSecret, ...old.map(({ secret }) => secret)].map((sealed) => open(sealed, place))
    }
    const old = oldSecretsOf(endpoint.oldSecrets, now)
    const place = endpointSecretPlace(endpoint.id)
    const secrets = [endpoint.signingSecret, ...old.map(({ secret }) => secret)].map((sealed) => open(sealed, place))
    return endpoint.ed25519 === 0 ? secrets : [...secrets, await tenantKeys.signingKey(endpoint.tenantId)]
  }
}

export function customHeaders(sealer: Sealer): CustomHeaders {
  return ({ id, headers }) =>
    headers === null ? {} : (JSON.parse(sealer.open(headers, headersPlace(id))) as Record<string, string>)
}

/** What a tenant's sealed signing secret is bound to. */
export function signingSecretPlace(tenantId: string): string {
  return `${tenantId}|tenants|signing_secret`
}

/** … and its Ed25519 key. */
export function signingKeyPlace(tenantId: string): string {
  return `${tenantId}|tenants|signing_key`
}

export function endpointSecretPlace(endpointId: string): string {
  return `${endpointId}|endpoints|signing_secret`
}

export function headersPlace(endpointId: string): string {
  return `${endpointId}|endpoints|headers`
}
