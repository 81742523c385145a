import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from './clock.ts'
import type { Secrets } from './config.ts'
import { newSecret } from './core/signature.ts'
import { signingSecretPlace } from './delivery/signing-keys.ts'
import { EX_CONFIG, StartError } from './errors.ts'
import { newApiKey, type Sealer } from './secrets.ts'
import { newTenantRow } from './store/new-rows.ts'
import type { KeyStore, Tenant, TenantStore } from './store/store.ts'
import { keyRow } from './tenants/api-keys.ts'

const DEFAULT_TENANT = 'default'

/** What the first start made. Shown once, and nowhere to be found afterwards. */
export interface FirstRun {
  apiKey: string | null
  adminKey: string | null
  signingSecret: string | null
}

export interface FirstRunDependencies {
  tenants: TenantStore
  keys: KeyStore
  sealer: Sealer
  clock: Clock
  /** Called before anything is stored, so that no key exists that nobody has seen. */
  show: (made: FirstRun) => void
}

/**
 * Makes the tenant `default` with its keys when there is none; keys and secrets given by the operator
 * take the place of those of the last start.
 */
export async function ensureDefaultTenant(secrets: Secrets, deps: FirstRunDependencies): Promise<void> {
  const { tenants, keys, sealer, clock, show } = deps
  const known = await tenants.findTenantByName(DEFAULT_TENANT)
  if (known !== null && secrets.signingSecret === null) assertOpens(known, sealer)
  const made: FirstRun = {
    apiKey: known || secrets.apiKey ? null : newApiKey('phc'),
    adminKey: known || secrets.adminKey ? null : newApiKey('pha'),
    signingSecret: known || secrets.signingSecret ? null : newSecret(),
  }
  if (made.apiKey || made.adminKey || made.signingSecret) show(made)
  const tenantId = known?.id ?? clock.newId('ten')
  const signingSecret = secrets.signingSecret ?? made.signingSecret
  const apiKey = secrets.apiKey ?? made.apiKey
  const adminKey = secrets.adminKey ?? made.adminKey
  const source = (given: string | null) => (given === null ? 'first start' : 'environment')
  if (apiKey) {
    const order = { role: 'client', tenantId, name: source(secrets.apiKey), expiresAt: null } as const
    await keys.replace(keyRow(apiKey, order, clock))
  }
  if (adminKey) {
    const order = { role: 'admin', tenantId: null, name: source(secrets.adminKey), expiresAt: null } as const
    await keys.replace(keyRow(adminKey, order, clock))
  }
  // Last, since it is what says that the first start is over.
  if (signingSecret) {
    const sealed = sealer.seal(signingSecret, signingSecretPlace(tenantId))
    const signing = { id: tenantId, name: DEFAULT_TENANT, signingSecret: sealed, createdAt: clock.now() }
    await tenants.saveTenant(newTenantRow(signing))
  }
}

/** Found out now rather than at the first delivery: the key that sealed the stored secret is not the one we have. */
function assertOpens(tenant: Tenant, sealer: Sealer): void {
  try {
    sealer.open(tenant.signingSecret, signingSecretPlace(tenant.id))
  } catch (error) {
    throw new StartError(
      'The stored secrets cannot be opened with this encryption key: restore data/encryption.key, or set POSTHORN_ENCRYPTION_KEYS.',
      EX_CONFIG,
      error,
    )
  }
}

/** The text that is shown at the first start. */
export function firstRunText(made: FirstRun, publicUrl: string): string {
  const lines = ['This is the first start. Keep these; they are not shown again:', '']
  if (made.apiKey) lines.push(`  API key         ${made.apiKey}`)
  if (made.adminKey) lines.push(`  admin key       ${made.adminKey}`)
  if (made.signingSecret) lines.push(`  signing secret  ${made.signingSecret}`)
  if (made.apiKey) lines.push('', 'Submit a first job:', '', exampleCurl(made.apiKey, publicUrl))
  return `${lines.join('\n')}\n`
}

function exampleCurl(apiKey: string, publicUrl: string): string {
  return `curl -i ${publicUrl}/v1/jobs \\
  -H 'Authorization: Bearer ${apiKey}' \\
  -H 'Content-Type: application/json' -H 'Prefer: respond-async' -H 'Idempotency-Key: first-job' \\
  -d '{"type": "echo", "payload": {"hello": "world", "delay_ms": 500}}'`
}

/** Writes the text into the folder, readable by its owner only. Returns the path. */
export function writeFirstRun(text: string, folder: string): string {
  const path = join(folder, 'first-run.txt')
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const file = openSync(path, 'w', 0o600)
  writeSync(file, text)
  fsyncSync(file)
  closeSync(file)
  return path
}
