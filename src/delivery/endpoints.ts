import type { Clock } from '../clock.ts'
import { enabledLane } from '../core/lane.ts'
import { newSecret } from '../core/signature.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError, keyRefusal } from '../errors.ts'
import type { Sealer } from '../secrets.ts'
import { newEndpointRow } from '../store/new-rows.ts'
import type { AuditEntry, Endpoint, EndpointStore, NewKey } from '../store/store.ts'
import { withOldSecret } from './old-secrets.ts'
import { endpointSecretPlace, headersPlace } from './signing-keys.ts'

export interface EndpointDependencies {
  endpoints: EndpointStore
  sealer: Sealer
  engine: Engine
  clock: Clock
}

/** What a client may say of an endpoint, checked. Members that are missing stay as they are, or get their default. */
export interface EndpointSettings {
  url?: string | undefined
  description?: string | null | undefined
  eventTypes?: readonly string[] | undefined
  /** All of them at once. */
  headers?: Readonly<Record<string, string>> | undefined
  metadata?: Readonly<Record<string, string>> | undefined
  maxConcurrency?: number | undefined
  rateLimitPerS?: number | null | undefined
  retryWaitsMs?: readonly number[] | null | undefined
  ordering?: Endpoint['ordering'] | undefined
  /** Deliveries carry a signature by the tenant's Ed25519 key, too. */
  ed25519?: boolean | undefined
  enabled?: boolean | undefined
}

/** An endpoint, and the secret it is signed with. */
export interface EndpointWithSecret {
  endpoint: Endpoint
  secret: string
  repeated: boolean
}

/** What tenants do with their endpoints. Each throws AppError 404 when there is none. */
export interface Endpoints {
  create(
    tenantId: string,
    settings: EndpointSettings & { url: string },
    secret: string | null,
    key: NewKey | null,
  ): Promise<EndpointWithSecret>
  change(tenantId: string | null, id: string, settings: EndpointSettings, audit?: AuditEntry): Promise<Endpoint>
  remove(tenantId: string | null, id: string): Promise<void>
  /** A new secret signs at once; the old one beside it for `overlapMs`. */
  rotate(tenantId: string | null, id: string, overlapMs: number, audit?: AuditEntry): Promise<EndpointWithSecret>
  secret(tenantId: string, id: string): Promise<string>
}

export function endpointKeeper({ endpoints, sealer, engine, clock }: EndpointDependencies): Endpoints {
  const opened = (endpoint: Endpoint) => sealer.open(endpoint.signingSecret as string, endpointSecretPlace(endpoint.id))
  const change: Endpoints['change'] = async (tenantId, id, settings, audit) => {
    const apply = (endpoint: Endpoint) => applied(endpoint, settings, sealer, clock.now())
    const changed = await endpoints.update(tenantId, id, apply, audit)
    if (changed === null) throw missing()
    if (settings.enabled) engine.wake('lanes', [id])
    return changed
  }
  return {
    change,
    async create(tenantId, settings, givenSecret, key) {
      const id = clock.newId('ep')
      const secret = givenSecret ?? newSecret()
      const bare = newEndpointRow({ id, tenantId, kind: 'registered', createdAt: clock.now() })
      const signingSecret = sealer.seal(secret, endpointSecretPlace(id))
      const row = applied({ ...bare, signingSecret, eventTypes: '["*"]' }, settings, sealer, clock.now())
      const added = await endpoints.add({ ...row, updatedAt: null }, key)
      if (added.kind === 'key_reused' || added.kind === 'key_busy') throw keyRefusal(added.kind)
      const repeated = added.kind === 'repeated'
      return { endpoint: added.endpoint, secret: repeated ? opened(added.endpoint) : secret, repeated }
    },
    async remove(tenantId, id) {
      if (!(await endpoints.remove(tenantId, id, clock.now()))) throw missing()
    },
    async rotate(tenantId, id, overlapMs, audit) {
      const secret = newSecret()
      const rotate = (current: Endpoint) => rotated(current, secret, overlapMs, sealer, clock.now())
      const endpoint = await endpoints.update(tenantId, id, rotate, audit)
      if (endpoint === null) throw missing()
      return { endpoint, secret, repeated: false }
    },
    async secret(tenantId, id) {
      const endpoint = await endpoints.get(tenantId, id)
      if (endpoint === null) throw missing()
      return opened(endpoint)
    },
  }
}

function rotated(endpoint: Endpoint, secret: string, overlapMs: number, sealer: Sealer, now: number): Endpoint {
  return {
    ...endpoint,
    signingSecret: sealer.seal(secret, endpointSecretPlace(endpoint.id)),
    oldSecrets: withOldSecret(endpoint.oldSecrets, endpoint.signingSecret as string, overlapMs, now),
    updatedAt: now,
  }
}

function applied(endpoint: Endpoint, settings: EndpointSettings, sealer: Sealer, now: number): Endpoint {
  const { headers, metadata, retryWaitsMs, eventTypes } = settings
  const changed = {
    ...endpoint,
    url: settings.url ?? endpoint.url,
    description: settings.description === undefined ? endpoint.description : settings.description,
    eventTypes: eventTypes === undefined ? endpoint.eventTypes : JSON.stringify(eventTypes),
    headers: headers === undefined ? endpoint.headers : sealedHeaders(headers, endpoint.id, sealer),
    metadata: metadata === undefined ? endpoint.metadata : JSON.stringify(metadata),
    maxConcurrency: settings.maxConcurrency ?? endpoint.maxConcurrency,
    rateLimitPerS: settings.rateLimitPerS === undefined ? endpoint.rateLimitPerS : settings.rateLimitPerS,
    retrySchedule: retryWaitsMs === undefined ? endpoint.retrySchedule : retryWaitsMs && JSON.stringify(retryWaitsMs),
    ordering: settings.ordering ?? endpoint.ordering,
    ed25519: settings.ed25519 === undefined ? endpoint.ed25519 : Number(settings.ed25519),
    updatedAt: now,
  }
  const bounded = { ...changed, concurrency: Math.min(changed.concurrency, changed.maxConcurrency) }
  return settings.enabled === undefined ? bounded : switched(bounded, settings.enabled, now)
}

/** What is held is released when it is enabled, with all the time it had. */
function switched(endpoint: Endpoint, enabled: boolean, now: number): Endpoint {
  if (enabled === (endpoint.disabledAt === null)) return endpoint
  if (enabled) return { ...enabledLane(endpoint), disabledReason: null, enabledAt: now }
  return { ...endpoint, disabledAt: now, disabledReason: 'client' }
}

function sealedHeaders(headers: Readonly<Record<string, string>>, id: string, sealer: Sealer): string | null {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return entries.length === 0 ? null : sealer.seal(JSON.stringify(Object.fromEntries(entries)), headersPlace(id))
}

function missing(): AppError {
  return new AppError('not-found', 'There is no such endpoint.')
}
