import { type Actor, auditEntry } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { newSecret } from '../core/signature.ts'
import { withOldSecret } from '../delivery/old-secrets.ts'
import { signingSecretPlace } from '../delivery/signing-keys.ts'
import { AppError, keyRefusal } from '../errors.ts'
import type { Sealer } from '../secrets.ts'
import { newTenantRow } from '../store/new-rows.ts'
import type { NewKey, Tenant, TenantStore } from '../store/store.ts'

export interface TenantDependencies {
  tenants: TenantStore
  sealer: Sealer
  clock: Clock
}

/** What may be said of a tenant. Members that are missing stay as they are. */
export interface TenantSettings {
  name?: string | undefined
  pollLimitPerS?: number | null | undefined
  requestLimitPerS?: number | null | undefined
}

export interface TenantWithSecret {
  tenant: Tenant
  /** `whsec_…`: signs callbacks to URLs of jobs. */
  secret: string
  repeated: boolean
}

/** What admins do with tenants. Each throws AppError 404 when there is none, 409 when another one has the name. */
export interface Tenants {
  create(settings: TenantSettings & { name: string }, key: NewKey | null, actor: Actor): Promise<TenantWithSecret>
  change(id: string, settings: TenantSettings, actor: Actor): Promise<Tenant>
  /** A new secret signs at once; the old one beside it for `overlapMs`. */
  rotate(id: string, overlapMs: number, actor: Actor): Promise<TenantWithSecret>
}

export function tenantKeeper({ tenants, sealer, clock }: TenantDependencies): Tenants {
  const update = async (id: string, action: string, actor: Actor, change: (tenant: Tenant) => Tenant) => {
    const changed = await tenants.update(id, change, auditEntry(`tenant.${action}`, id, actor, clock))
    if (changed === null) throw new AppError('not-found', 'There is no such tenant.')
    if (changed === 'name_taken') throw nameTaken()
    return changed
  }
  return {
    async create({ name, pollLimitPerS = null, requestLimitPerS = null }, key, actor) {
      const id = clock.newId('ten')
      const secret = newSecret()
      const signingSecret = sealer.seal(secret, signingSecretPlace(id))
      const bare = newTenantRow({ id, name, signingSecret, createdAt: clock.now() })
      const row = { ...bare, pollLimitPerS, requestLimitPerS }
      const added = await tenants.add(row, key, auditEntry('tenant.create', id, actor, clock))
      if (added.kind === 'name_taken') throw nameTaken()
      if (added.kind === 'key_reused' || added.kind === 'key_busy') throw keyRefusal(added.kind)
      const { tenant } = added
      const repeated = added.kind === 'repeated'
      const shown = repeated ? sealer.open(tenant.signingSecret, signingSecretPlace(tenant.id)) : secret
      return { tenant, secret: shown, repeated }
    },
    change: (id, settings, actor) =>
      update(id, 'change', actor, (tenant) => ({
        ...tenant,
        name: settings.name ?? tenant.name,
        pollLimitPerS: settings.pollLimitPerS === undefined ? tenant.pollLimitPerS : settings.pollLimitPerS,
        requestLimitPerS: settings.requestLimitPerS === undefined ? tenant.requestLimitPerS : settings.requestLimitPerS,
        updatedAt: clock.now(),
      })),
    async rotate(id, overlapMs, actor) {
      const secret = newSecret()
      const tenant = await update(id, 'rotate-secret', actor, (current) => ({
        ...current,
        signingSecret: sealer.seal(secret, signingSecretPlace(id)),
        oldSecrets: withOldSecret(current.oldSecrets, current.signingSecret, overlapMs, clock.now()),
        updatedAt: clock.now(),
      }))
      return { tenant, secret, repeated: false }
    },
  }
}

function nameTaken(): AppError {
  return new AppError('name-taken', 'Another tenant has this name.', {
    details: [{ field: '/name', issue: 'is taken', location: 'body' }],
  })
}
