import { expect, test } from 'vitest'
import type { ApiKey } from '../../src/store/store.ts'
import { OTHER, TENANT } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

/** What every store must do with tenants, keys and files. */
export function tenantsContract(subject: Subject): void {
  const key = (hash: string, changes: Partial<ApiKey> = {}): ApiKey => {
    const { clock } = subject()
    const shown = { prefix: 'phc_', lastFour: 'abcd', createdAt: clock.now(), revokedAt: null }
    return { id: clock.newId('key'), tenantId: TENANT, role: 'client', name: 'environment', hash, ...shown, ...changes }
  }

  test('a tenant of the same name gets the new signing secret and keeps its id', async () => {
    const { store } = subject()
    const tenant = {
      id: TENANT,
      name: 'default',
      signingSecret: 'one',
      signingKey: null,
      publicKey: null,
      createdAt: 1,
    }
    await store.tenants.saveTenant(tenant)
    await store.tenants.saveTenant({ ...tenant, id: OTHER, signingSecret: 'two' })
    expect(await store.tenants.findTenantByName('default')).toEqual({ ...tenant, signingSecret: 'two' })
    expect(await store.tenants.findTenant(OTHER)).toBeNull()
  })

  test('a tenant gets one Ed25519 key, however many are made for it at once, and keeps it', async () => {
    const { store } = subject()
    const none = { signingKey: null, publicKey: null, createdAt: 1 }
    const tenant = { id: TENANT, name: 'default', signingSecret: 'one', ...none }
    await store.tenants.saveTenant(tenant)
    await store.tenants.saveTenant({ id: OTHER, name: 'other', signingSecret: 'two', ...none })
    expect(await store.tenants.publicKeys()).toEqual([])
    const made = ['a', 'b', 'c'].map((n) => ({ signingKey: `sealed ${n}`, publicKey: `whpk_${n}` }))
    const given = await Promise.all(made.map((key) => store.tenants.giveSigningKey(TENANT, key)))
    expect(made).toContainEqual({ signingKey: given[0]?.signingKey, publicKey: given[0]?.publicKey })
    for (const tenant of given) expect(tenant).toEqual(given[0])
    await store.tenants.saveTenant({ ...tenant, signingSecret: 'three' })
    expect(await store.tenants.findTenant(TENANT)).toEqual({ ...given[0], signingSecret: 'three' })
    expect(await store.tenants.publicKeys()).toEqual([{ tenantId: TENANT, publicKey: given[0]?.publicKey }])
    expect(await store.tenants.giveSigningKey('ten_none', made[0] as (typeof made)[0])).toBeNull()
  })

  test('a key that takes the place of another ends it, and only it', async () => {
    const { store } = subject()
    await store.tenants.replaceKey(key('old'))
    await store.tenants.replaceKey(key('admin', { role: 'admin', tenantId: null }))
    await store.tenants.replaceKey(key('named', { name: 'other' }))
    await store.tenants.replaceKey(key('new'))
    expect(await store.tenants.findKey('old')).toBeNull()
    expect(await store.tenants.findKey('new')).toMatchObject({ role: 'client', tenantId: TENANT })
    expect(await store.tenants.findKey('admin')).toMatchObject({ role: 'admin', tenantId: null })
    expect(await store.tenants.findKey('named')).toMatchObject({ name: 'other' })
  })

  test('a key that comes back is valid again', async () => {
    const { store } = subject()
    await store.tenants.replaceKey(key('a'))
    await store.tenants.replaceKey(key('b'))
    await store.tenants.replaceKey(key('a'))
    expect(await store.tenants.findKey('a')).toMatchObject({ revokedAt: null })
    expect(await store.tenants.findKey('b')).toBeNull()
  })

  test('a file is found by its tenant alone', async () => {
    const { store, clock } = subject()
    const content = { size: 3, sha256: 'x', contentType: 'text/plain', createdAt: clock.now() }
    const file = { id: clock.newId('file'), tenantId: TENANT, jobId: null, ...content }
    await store.files.add(file, null)
    expect(await store.files.get(TENANT, file.id)).toEqual(file)
    expect(await store.files.get(OTHER, file.id)).toBeNull()
  })

  test('a key stands for the file it made', async () => {
    const { store, clock } = subject()
    const content = { size: 3, sha256: 'x', contentType: 'text/plain', createdAt: clock.now() }
    const file = () => ({ id: clock.newId('file'), tenantId: TENANT, jobId: null, ...content })
    const key = { key: 'k', fingerprint: 'f' }
    const first = await store.files.add(file(), key)
    expect(await store.files.add(file(), key)).toEqual({ ...first, kind: 'repeated' })
    expect(await store.files.add(file(), { ...key, fingerprint: 'other' })).toEqual({ kind: 'key_reused' })
  })

  test('an open store answers a ping', async () => {
    await expect(subject().store.ping()).resolves.toBeUndefined()
  })
}
