import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBackend } from '../../src/backend.ts'
import { systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import { signingSecretPlace } from '../../src/delivery/signing-keys.ts'
import { businessEvents } from '../../src/events.ts'
import { createLog } from '../../src/log.ts'
import { createSealer, keyFile } from '../../src/secrets.ts'
import { newTenantRow } from '../../src/store/new-rows.ts'
import { keyRow } from '../../src/tenants/api-keys.ts'
import { databaseOf } from './engine.ts'
import type { Environment } from './service.ts'

export const OTHER_KEY = 'test-other-key-0123456789abcdefghijk'
export const OTHER_SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'

/** A folder with a database in which a second tenant has a key, for a service to be started on. */
export async function folderWithOtherTenant(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'))
  await addOtherTenant((await databaseOf(folder)).env, folder)
  return folder
}

/** @param folder Where the key for secrets is, if the environment has none */
export async function addOtherTenant(env: Environment, folder = ''): Promise<void> {
  const { config, secrets } = readConfig(env)
  const clock = systemClock()
  const id = clock.newId('ten')
  const createdAt = clock.now()
  const signingSecret = createSealer(secrets.encryptionKeys ?? keyFile(folder)).seal(
    OTHER_SECRET,
    signingSecretPlace(id),
  )
  await using stack = new AsyncDisposableStack()
  const events = businessEvents(createLog('silent', false))
  const { store } = await openBackend({ config, events, clock, types: [] }, stack)
  await store.tenants.saveTenant(newTenantRow({ id, name: 'other', signingSecret, createdAt }))
  const order = { role: 'client', tenantId: id, name: 'test', expiresAt: null } as const
  await store.keys.replace(keyRow(OTHER_KEY, order, clock))
}
