import type { Clock } from '../clock.ts'
import { ed25519PublicKey } from '../core/ed25519.ts'
import { decodeSecret } from '../core/signature.ts'
import { type Diagnosis, diagnose, type KnownKey, type ReceivedRequest } from '../core/verify.ts'
import type { Sealer } from '../secrets.ts'
import type { Endpoint, EndpointStore, EventStore, OldSecret, TenantStore } from '../store/store.ts'
import { endpointSecretPlace, signingSecretPlace } from './signing-keys.ts'

export interface VerifyDependencies {
  tenants: TenantStore
  endpoints: EndpointStore
  eventStore: EventStore
  sealer: Sealer
  clock: Clock
}

/** Says of a request that a tenant's receiver got whether its signature is right, and if not why. Tells no secret. */
export type VerifyRequest = (
  tenantId: string,
  request: ReceivedRequest,
  /** When it was received, in ms; null: now. */
  at?: number | null,
) => Promise<Diagnosis>

/** The newest so many endpoints are tried. */
const PAGE = 200
const MAX_PAGES = 5

export function requestVerifier(deps: VerifyDependencies): VerifyRequest {
  const { eventStore } = deps
  return async (tenantId, request, at = null) => {
    const known = await knownKeys(tenantId, deps)
    const id = idOf(request.headers)
    const event = id === null ? null : ((await eventStore.bodies(tenantId, [id])).get(id) ?? null)
    // The time of day, as in what is sent.
    return diagnose(request, known, event, Math.floor((at ?? Date.now()) / 1000))
  }
}

/** Also under the names of others: core/verify-headers.ts says which. */
function idOf(headers: Readonly<Record<string, string>>): string | null {
  const values = Object.values(headers).map((value) => value.trim())
  return values.find((value) => /^evt_[0-9a-f]{32}$/.test(value)) ?? null
}

/** All that signs or has signed for the tenant, what signs now first. */
async function knownKeys(
  tenantId: string,
  { tenants, endpoints, sealer, clock }: VerifyDependencies,
): Promise<KnownKey[]> {
  const tenant = await tenants.findTenant(tenantId)
  if (tenant === null) return []
  const publicKey = tenant.publicKey === null ? null : ed25519PublicKey(tenant.publicKey)
  const keys = keysOf({ ...tenant, id: null }, signingSecretPlace(tenantId), sealer, clock.now())
  if (publicKey !== null) keys.push({ key: publicKey, endpointId: null, state: 'current' })
  let before: string | null = null
  for (let page = 0; page < MAX_PAGES; page++) {
    const found: Endpoint[] = await endpoints.list(tenantId, { limit: PAGE, before })
    keys.push(...found.flatMap((one) => keysOf(one, endpointSecretPlace(one.id), sealer, clock.now())))
    before = found.at(-1)?.id ?? null
    if (found.length < PAGE) break
  }
  const order = ['current', 'overlapping', 'old']
  return keys.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
}

/** Of an endpoint; of the tenant itself when `id` is null. */
type Signer = Pick<Endpoint, 'signingSecret' | 'oldSecrets'> & { id: string | null }

function keysOf({ id, signingSecret, oldSecrets }: Signer, place: string, sealer: Sealer, now: number): KnownKey[] {
  const old = (JSON.parse(oldSecrets) as OldSecret[]).map(({ secret, until }) => ({ secret, isOld: until <= now }))
  const all = signingSecret === null ? [] : [{ secret: signingSecret, isOld: null }, ...old]
  return all.flatMap(({ secret, isOld }): KnownKey[] => {
    const key = open(secret, place, sealer)
    return key ? [{ key, endpointId: id, state: isOld === null ? 'current' : isOld ? 'old' : 'overlapping' }] : []
  })
}

/** One that cannot be opened is none that a receiver could have. */
function open(sealed: string, place: string, sealer: Sealer): Buffer | null {
  try {
    return decodeSecret(sealer.open(sealed, place))
  } catch {
    return null
  }
}
