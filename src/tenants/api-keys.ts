import { type Actor, auditEntry } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { AppError, keyRefusal } from '../errors.ts'
import { hashApiKey, newApiKey } from '../secrets.ts'
import type { ApiKey, KeyRole, KeyStore, NewKey, TenantStore } from '../store/store.ts'

export interface ApiKeyDependencies {
  keys: KeyStore
  tenants: TenantStore
  clock: Clock
}

export interface ApiKeyOrder {
  role: KeyRole
  /** Null for admin keys. */
  tenantId: string | null
  name: string
  expiresAt: number | null
}

/** What admins do with keys. */
export interface ApiKeys {
  /**
   * The key itself is returned this one time; null on a repeat, since it is nowhere then.
   * @throws AppError when there is no such tenant
   */
  create(order: ApiKeyOrder, key: NewKey | null, actor: Actor): Promise<{ apiKey: ApiKey; secret: string | null }>
  /** From the answer on nobody calls with it. @throws AppError 404 */
  revoke(id: string, actor: Actor): Promise<ApiKey>
}

const PREFIXES = { client: 'phc', admin: 'pha' } as const

export function apiKeyKeeper({ keys, tenants, clock }: ApiKeyDependencies): ApiKeys {
  return {
    async create(order, key, actor) {
      const { tenantId } = order
      if (tenantId !== null && (await tenants.findTenant(tenantId)) === null) {
        throw new AppError('invalid-request', 'There is no such tenant.', {
          details: [{ field: '/tenant_id', issue: 'is no tenant', location: 'body' }],
        })
      }
      const secret = newApiKey(PREFIXES[order.role])
      const apiKey = keyRow(secret, order, clock)
      const added = await keys.add(apiKey, key, auditEntry('key.create', apiKey.id, actor, clock))
      if (added.kind === 'key_reused' || added.kind === 'key_busy') throw keyRefusal(added.kind)
      return { apiKey: added.apiKey, secret: added.kind === 'created' ? secret : null }
    },
    async revoke(id, actor) {
      const revoked = await keys.revoke(id, clock.now(), auditEntry('key.revoke', id, actor, clock))
      if (revoked === null) throw new AppError('not-found', 'There is no such key.')
      return revoked
    },
  }
}

/** What is stored of a key. */
export function keyRow(key: string, order: ApiKeyOrder, clock: Clock): ApiKey {
  return {
    id: clock.newId('key'),
    ...order,
    hash: hashApiKey(key),
    prefix: key.slice(0, 4),
    lastFour: key.slice(-4),
    createdAt: clock.now(),
    lastUsedAt: null,
    revokedAt: null,
  }
}

/** When keys were used, gathered in memory: a busy key is not to be written for each request. */
export class KeyUses {
  #uses = new Map<string, number>()

  note(id: string, now: number): void {
    this.#uses.set(id, now)
  }

  async save(keys: KeyStore): Promise<void> {
    const uses = this.#uses
    this.#uses = new Map()
    if (uses.size > 0) await keys.saveUses(uses)
  }
}
