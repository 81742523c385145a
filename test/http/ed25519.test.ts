import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { expect, test } from 'vitest'
import { ed25519PublicKey } from '../../src/core/ed25519.ts'
import { type Hit, startReceiver, verified } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

interface Endpoint {
  id: string
  secret: string
  ed25519: boolean
  public_key?: string
}

type Key = JsonWebKey & { kid: string }

async function register(posthorn: TestService, json: object, key?: string): Promise<Endpoint> {
  const response = await posthorn.api('/v1/endpoints', { json, ...(key && { key }) })
  expect(response.status).toBe(201)
  return (await response.json()) as Endpoint
}

const publish = (posthorn: TestService, type: string) => posthorn.api('/v1/events', { json: { type, data: 1 } })

async function jwks(posthorn: TestService): Promise<Key[]> {
  const response = await posthorn.api('/.well-known/jwks.json', { key: null })
  expect(response.headers.get('cache-control')).toBe('public, max-age=300')
  expect(response.headers.get('content-type')).toBe('application/jwk-set+json')
  return ((await response.json()) as { keys: Key[] }).keys
}

/** As a receiver does it, with nothing of ours. */
function isSignedBy(key: JsonWebKey, { headers, body }: Hit): boolean {
  const content = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
  const found = String(headers['webhook-signature'])
    .split(' ')
    .filter((part) => part.startsWith('v1a,'))
  const publicKey = createPublicKey({ key, format: 'jwk' })
  return found.some((part) => verify(null, content, publicKey, Buffer.from(part.slice(4), 'base64')))
}

test('deliveries carry a signature by the tenant’s key beside that of the secret, which a receiver verifies with the key set', async () => {
  await using posthorn = await startTestService()
  await using receiver = await startReceiver()
  const plain = await register(posthorn, { url: `${receiver.url}/plain`, event_types: ['a.b'] })
  expect(plain).toMatchObject({ ed25519: false })
  expect(plain).not.toHaveProperty('public_key')
  expect(await jwks(posthorn)).toEqual([])
  const { secret, public_key: publicKey } = await register(posthorn, { url: receiver.url, ed25519: true })
  expect(publicKey).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/)
  await publish(posthorn, 'a.b')
  const hits = await receiver.waitFor(2)
  const hit = hits.find(({ path }) => path === '/') as Hit
  const other = hits.find(({ path }) => path === '/plain') as Hit
  expect(String(hit.headers['webhook-signature'])).toMatch(/^v1,\S{44} v1a,\S{88}$/)
  expect(String(other.headers['webhook-signature'])).toMatch(/^v1,\S{44}$/)
  expect(verified(hit, secret)).toMatchObject({ type: 'a.b' })
  const keys = await jwks(posthorn)
  expect(keys).toMatchObject([{ kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' }])
  const [key] = keys as [Key]
  expect(Buffer.from(key.x as string, 'base64url').toString('base64')).toBe(publicKey?.slice(5))
  expect(isSignedBy(key, hit)).toBe(true)
  expect(isSignedBy(key, { ...hit, body: `${hit.body} ` })).toBe(false)
  const json = { headers: hit.headers, body: hit.body, secret: publicKey }
  expect(await (await posthorn.api('/v1/verify', { json })).json()).toMatchObject({ valid: true })
})

test('it is switched on and off, and the key stays', async () => {
  await using posthorn = await startTestService()
  await using receiver = await startReceiver()
  const { id } = await register(posthorn, { url: receiver.url })
  const change = async (json: object): Promise<Endpoint> =>
    (await (await posthorn.api(`/v1/endpoints/${id}`, { method: 'PATCH', json })).json()) as Endpoint
  const on = await change({ ed25519: true })
  expect(on).toMatchObject({ ed25519: true })
  expect(await change({ description: 'other' })).toMatchObject({ ed25519: true, public_key: on.public_key })
  const off = await change({ ed25519: false })
  expect(off).toMatchObject({ ed25519: false })
  expect(off).not.toHaveProperty('public_key')
  await publish(posthorn, 'a.b')
  const [hit] = await receiver.waitFor(1)
  expect(String(hit?.headers['webhook-signature'])).not.toContain('v1a,')
  expect(await change({ ed25519: true })).toMatchObject({ public_key: on.public_key })
  const list = (await (await posthorn.api('/v1/endpoints')).json()) as { data: Endpoint[] }
  expect(list.data).toMatchObject([{ public_key: on.public_key }])
})

test('a tenant has one key, however many endpoints ask for it at once; each tenant has its own', async () => {
  await using posthorn = await startTestService({}, await folderWithOtherTenant())
  await using receiver = await startReceiver()
  const json = { url: receiver.url, ed25519: true }
  const made = await Promise.all(Array.from({ length: 5 }, () => register(posthorn, json)))
  const other = await register(posthorn, json, OTHER_KEY)
  const keys = new Set(made.map(({ public_key: key }) => key))
  expect(keys.size).toBe(1)
  expect(keys.has(other.public_key)).toBe(false)
  expect(ed25519PublicKey(other.public_key ?? '')).not.toBeNull()
  const set = await jwks(posthorn)
  expect(set).toHaveLength(2)
  await publish(posthorn, 'a.b')
  const hits = await receiver.waitFor(5)
  // The other tenant's key is in the set, too, and fits none of ours.
  for (const hit of hits) expect(set.filter((key) => isSignedBy(key, hit))).toHaveLength(1)
  expect(set.find((key) => isSignedBy(key, hits[0] as Hit))?.kid).toMatch(/^ten_[0-9a-f]{32}$/)
})

test('the key outlives a restart', async () => {
  const folder = await folderWithOtherTenant()
  await using receiver = await startReceiver()
  const before = await startTestService({}, folder)
  await register(before, { url: receiver.url, ed25519: true })
  const keys = await jwks(before)
  await before[Symbol.asyncDispose]()
  await using posthorn = await startTestService({}, folder)
  expect(await jwks(posthorn)).toEqual(keys)
  await publish(posthorn, 'a.b')
  const [hit] = await receiver.waitFor(1)
  expect(isSignedBy(keys[0] as Key, hit as Hit)).toBe(true)
})
