import { endpointSecretPlace, headersPlace, signingKeyPlace, signingSecretPlace } from '../delivery/signing-keys.ts'
import type { Sealer } from '../secrets.ts'
import type { Endpoint, OldSecret, Store, Tenant } from '../store/store.ts'

const PAGE = 200

export type SealedStore = Pick<Store, 'tenants' | 'endpoints'>

/**
 * Seals anew what was sealed with another key than the first, while everything runs: row by row, each under its lock,
 * so that it can be stopped anywhere and begun again. Returns how many rows it changed; at 0 the other keys may go.
 * @throws Error when something opens with none of the keys
 */
export async function resealAll(
  { tenants, endpoints }: SealedStore,
  sealer: Sealer,
  signal: AbortSignal,
): Promise<number> {
  let changed = 0
  for await (const tenant of allOf((page) => tenants.list(page))) {
    if (signal.aborted) return changed
    if (isCurrent(tenant, sealer)) continue
    await tenants.update(tenant.id, (row) => resealedTenant(row, sealer), null)
    changed += 1
  }
  for await (const endpoint of allOf((page) => endpoints.list(null, page))) {
    if (signal.aborted) return changed
    if (isCurrent(endpoint, sealer)) continue
    await endpoints.update(null, endpoint.id, (row) => resealedEndpoint(row, sealer))
    changed += 1
  }
  return changed
}

/** Ids of the encryption keys that something stored needs to be opened, and that are not there. */
export async function missingKeyIds({ tenants, endpoints }: SealedStore, sealer: Sealer): Promise<Set<string>> {
  const missing = new Set<string>()
  const look = (row: Sealed) => {
    for (const sealed of sealedTexts(row)) if (!sealer.knows(sealed)) missing.add(sealer.keyIdOf(sealed))
  }
  for await (const tenant of allOf((page) => tenants.list(page))) look(tenant)
  for await (const endpoint of allOf((page) => endpoints.list(null, page))) look(endpoint)
  return missing
}

async function* allOf<Row extends { id: string }>(
  list: (page: { limit: number; before: string | null }) => Promise<Row[]>,
): AsyncGenerator<Row, void, undefined> {
  for (let before: string | null = null; ; ) {
    const rows: Row[] = await list({ limit: PAGE, before })
    yield* rows
    if (rows.length < PAGE) return
    before = rows.at(-1)?.id ?? null
  }
}

type Sealed = Pick<Tenant, 'oldSecrets'> &
  Partial<Pick<Tenant, 'signingKey'> & Pick<Endpoint, 'signingSecret' | 'headers'>>

function sealedTexts({ signingSecret, signingKey, headers, oldSecrets }: Sealed): string[] {
  const old = (JSON.parse(oldSecrets) as OldSecret[]).map(({ secret }) => secret)
  return [signingSecret, signingKey, headers, ...old].filter((text) => typeof text === 'string')
}

function isCurrent(row: Sealed, sealer: Sealer): boolean {
  return sealedTexts(row).every((sealed) => sealer.isCurrent(sealed))
}

function resealedTenant(tenant: Tenant, sealer: Sealer): Tenant {
  const place = signingSecretPlace(tenant.id)
  const { signingKey } = tenant
  return {
    ...tenant,
    signingSecret: resealed(tenant.signingSecret, place, sealer),
    signingKey: signingKey && resealed(signingKey, signingKeyPlace(tenant.id), sealer),
    oldSecrets: resealedOld(tenant.oldSecrets, place, sealer),
  }
}

function resealedEndpoint(endpoint: Endpoint, sealer: Sealer): Endpoint {
  const place = endpointSecretPlace(endpoint.id)
  const { signingSecret, headers } = endpoint
  return {
    ...endpoint,
    signingSecret: signingSecret && resealed(signingSecret, place, sealer),
    headers: headers && resealed(headers, headersPlace(endpoint.id), sealer),
    oldSecrets: resealedOld(endpoint.oldSecrets, place, sealer),
  }
}

function resealed(sealed: string, place: string, sealer: Sealer): string {
  return sealer.isCurrent(sealed) ? sealed : sealer.seal(sealer.open(sealed, place), place)
}

function resealedOld(json: string, place: string, sealer: Sealer): string {
  const old = JSON.parse(json) as OldSecret[]
  return JSON.stringify(old.map((one) => ({ ...one, secret: resealed(one.secret, place, sealer) })))
}
