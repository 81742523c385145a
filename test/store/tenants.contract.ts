import { expect, test } from 'vitest'
import { newTenantRow } from '../../src/store/new-rows.ts'
import type { ApiKey, AuditFilter } from '../../src/store/store.ts'
import { OTHER, TENANT } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

/** What every store must do with tenants, keys and files. */
export function tenantsContract(subject: Subject): void {
  const key = (hash: string, changes: Partial<ApiKey> = {}): ApiKey => {
    const { clock } = subject()
    const shown = { prefix: 'phc_', lastFour: 'abcd', createdAt: clock.now() }
    const times = { expiresAt: null, lastUsedAt: null, revokedAt: null }
    return {
      id: clock.newId('key'),
      tenantId: TENANT,
      role: 'client',
      name: 'environment',
      hash,
      ...shown,
      ...times,
      ...changes,
    }
  }

  test('a tenant of the same name gets the new signing secret and keeps its id', async () => {
    const { store } = subject()
    const tenant = newTenantRow({ id: TENANT, name: 'default', signingSecret: 'one', createdAt: 1 })
    await store.tenants.saveTenant(tenant)
    await store.tenants.saveTenant({ ...tenant, id: OTHER, signingSecret: 'two' })
    expect(await store.tenants.findTenantByName('default')).toEqual({ ...tenant, signingSecret: 'two' })
    expect(await store.tenants.findTenant(OTHER)).toBeNull()
  })

  test('a tenant gets one Ed25519 key, however many are made for it at once, and keeps it', async () => {
    const { store } = subject()
    const tenant = newTenantRow({ id: TENANT, name: 'default', signingSecret: 'one', createdAt: 1 })
    await store.tenants.saveTenant(tenant)
    await store.tenants.saveTenant(newTenantRow({ id: OTHER, name: 'other', signingSecret: 'two', createdAt: 1 }))
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
    const { store, clock } = subject()
    await store.keys.replace(key('old'))
    await store.keys.replace(key('admin', { role: 'admin', tenantId: null }))
    await store.keys.replace(key('named', { name: 'other' }))
    await store.keys.replace(key('new'))
    expect(await store.keys.find('old', clock.now())).toBeNull()
    expect(await store.keys.find('new', clock.now())).toMatchObject({ role: 'client', tenantId: TENANT })
    expect(await store.keys.find('admin', clock.now())).toMatchObject({ role: 'admin', tenantId: null })
    expect(await store.keys.find('named', clock.now())).toMatchObject({ name: 'other' })
  })

  test('a key is read by its id, whoever it is of', async () => {
    const { store } = subject()
    const made = key('hash', { tenantId: OTHER })
    await store.keys.replace(made)
    expect(await store.keys.get(made.id)).toEqual(made)
    expect(await store.keys.get('key_none')).toBeNull()
  })

  test('the audit log is narrowed by each of its conditions', async () => {
    const { store, clock } = subject()
    const entry = { actor: 'key_a', action: 'a.b', target: 'dlv_1', requestId: 'req_1' }
    for (const changes of [{}, { actor: 'key_b' }, { action: 'c.d' }, { target: 'dlv_2' }, { requestId: 'req_2' }]) {
      clock.advance(1000)
      await store.audit.add({ id: clock.newId('aud'), at: clock.now(), ...entry, ...changes })
    }
    const page = { limit: 10, before: null }
    const count = async (filter: AuditFilter) => (await store.audit.list(filter, page)).length
    expect(await count({})).toBe(5)
    for (const [name, value] of Object.entries(entry)) expect(await count({ [name]: value }), name).toBe(4)
    expect(await count(entry)).toBe(1)
    expect(await count({ after: clock.now() - 1000 })).toBe(2)
    expect(await count({ before: clock.now() - 1000 })).toBe(3)
    const [newest] = await store.audit.list({}, { limit: 1, before: null })
    expect(newest).toMatchObject({ requestId: 'req_2' })
    expect(await store.audit.list({}, { limit: 10, before: newest?.id ?? '' })).toHaveLength(4)
  })

  test('a key that comes back is valid again', async () => {
    const { store, clock } = subject()
    await store.keys.replace(key('a'))
    await store.keys.replace(key('b'))
    await store.keys.replace(key('a'))
    expect(await store.keys.find('a', clock.now())).toMatchObject({ revokedAt: null })
    expect(await store.keys.find('b', clock.now())).toBeNull()
  })

  test('a file is found by its tenant alone', async () => {
    const { store, clock } = subject()
    const content = { size: 3, sha256: 'x', contentType: 'text/plain', createdAt: clock.now() }
    const file = { id: clock.newId('file'), tenantId: TENANT, jobId: null, ...content }
    await store.files.add(file, null)
    expect(await store.files.get(TENANT, file.id)).toEqual(file)
    expect(await store.files.get(null, file.id)).toEqual(file)
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
