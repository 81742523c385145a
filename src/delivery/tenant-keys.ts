import type { KeyObject } from 'node:crypto'
import { ed25519PrivateKey, newEd25519Pair } from '../core/ed25519.ts'
import { AppError } from '../errors.ts'
import type { Sealer } from '../secrets.ts'
import type { TenantStore } from '../store/store.ts'
import { signingKeyPlace } from './signing-keys.ts'

/** The Ed25519 keys of tenants. Each has one, made when it is needed for the first time, and never another. */
export interface TenantKeys {
  /** What signs. */
  signingKey(tenantId: string): Promise<KeyObject>
  /** `whpk_…`: what receivers verify with. */
  publicKey(tenantId: string): Promise<string>
}

interface Known {
  sealed: string
  publicKey: string
  /** Opened when it is needed. */
  key: KeyObject | null
}

/** Bounds the memory for opened keys. */
const MAX_KNOWN = 10_000

export function tenantKeys(tenants: TenantStore, sealer: Sealer): TenantKeys {
  const known = new Map<string, Known>()

  async function find(tenantId: string): Promise<Known> {
    const found = known.get(tenantId)
    if (found !== undefined) return found
    const tenant = await tenants.findTenant(tenantId)
    const { signingKey: sealed, publicKey } = tenant?.signingKey == null ? await make(tenantId) : tenant
    if (sealed === null || publicKey === null) throw new Error(`the tenant ${tenantId} has half a signing key`)
    if (known.size > MAX_KNOWN) known.clear()
    const entry = { sealed, publicKey, key: null }
    known.set(tenantId, entry)
    return entry
  }

  /** Of several that make one at once, one is stored, and that is what all of them get. */
  async function make(tenantId: string) {
    const { privateKey, publicKey } = newEd25519Pair()
    const signingKey = sealer.seal(privateKey, signingKeyPlace(tenantId))
    const tenant = await tenants.giveSigningKey(tenantId, { signingKey, publicKey })
    if (tenant === null) throw new AppError('not-found', 'There is no such tenant.')
    return tenant
  }

  return {
    publicKey: async (tenantId) => (await find(tenantId)).publicKey,
    async signingKey(tenantId) {
      const entry = await find(tenantId)
      entry.key ??= ed25519PrivateKey(sealer.open(entry.sealed, signingKeyPlace(tenantId)))
      if (entry.key === null) throw new Error(`the Ed25519 key of ${tenantId} is malformed`)
      return entry.key
    },
  }
}
