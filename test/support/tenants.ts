import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { signingSecretPlace } from '../../src/delivery/signing-keys.ts'
import { createSealer, hashApiKey, keyFile } from '../../src/secrets.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'

export const OTHER_KEY = 'test-other-key-0123456789abcdefghijk'
export const OTHER_SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'

/** A folder with a database in which a second tenant has a key, for a service to be started on. */
export async function folderWithOtherTenant(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'))
  const path = join(folder, 'posthorn.db')
  const clock = systemClock()
  const id = clock.newId('ten')
  const createdAt = clock.now()
  const signingSecret = createSealer(keyFile(path)).seal(OTHER_SECRET, signingSecretPlace(id))
  await using store = openSqliteStore(path)
  await store.tenants.saveTenant({ id, name: 'other', signingSecret, createdAt })
  await store.tenants.replaceKey({
    id: clock.newId('key'),
    tenantId: id,
    role: 'client',
    name: 'test',
    hash: hashApiKey(OTHER_KEY),
    prefix: OTHER_KEY.slice(0, 4),
    lastFour: OTHER_KEY.slice(-4),
    createdAt,
    revokedAt: null,
  })
  return folder
}
