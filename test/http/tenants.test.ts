import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Receiver, startReceiver, verified } from '../support/receiver.ts'
import { ADMIN_KEY, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '50ms,50ms' })
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

type Body = Record<string, unknown> & { id: string }

async function admin(path: string, json?: object, method?: string): Promise<{ status: number; body: Body }> {
  const response = await posthorn.api(`/v1/admin/${path}`, { key: ADMIN_KEY, json, ...(method && { method }) })
  return { status: response.status, body: (await response.json()) as Body }
}

let names = 0
/** A new tenant with a key. */
async function newTenant(settings: object = {}) {
  const { status, body: tenant } = await admin('tenants', { name: `tenant ${++names}`, ...settings })
  expect(status).toBe(201)
  const { body: made } = await admin('keys', { role: 'client', tenant_id: tenant.id, name: 'laptop' })
  return { id: tenant.id, secret: String(tenant.signing_secret), key: String(made.key), keyId: made.id }
}

const jobsAs = (key: string) => posthorn.api('/v1/jobs?limit=1', { key })
const list = async (path: string) => (await admin(path)).body.data as Body[]

describe('a tenant', () => {
  test('is made with a secret of its own, which signs its callbacks', async () => {
    const { key, secret } = await newTenant()
    const path = `/own-${names}`
    const json = { type: 'echo', payload: {}, callback_url: receiver.url + path }
    expect((await posthorn.api('/v1/jobs', { json, key })).status).toBe(202)
    const [hit] = await receiver.waitFor(1, (one) => one.path === path)
    expect(verified(hit as NonNullable<typeof hit>, secret).type).toBe('job.completed')
  })

  test('gets a new secret that signs beside the old one', async () => {
    const { id, key, secret } = await newTenant()
    const { body } = await admin(`tenants/${id}/rotate-secret`, {})
    const path = `/rotated-${names}`
    await posthorn.api('/v1/jobs', { json: { type: 'echo', payload: {}, callback_url: receiver.url + path }, key })
    const [hit] = await receiver.waitFor(1, (one) => one.path === path)
    for (const one of [secret, String(body.signing_secret)]) {
      expect(verified(hit as NonNullable<typeof hit>, one).type).toBe('job.completed')
    }
    const again = await admin(`tenants/${id}/rotate-secret`, { overlap_s: 0 })
    expect(again.body.signing_secret).not.toBe(body.signing_secret)
  })

  test('has a name that no other has', async () => {
    const { id } = await newTenant({ name: 'acme' })
    expect(await admin('tenants', { name: 'acme' })).toMatchObject({ status: 409, body: { code: 'name-taken' } })
    const other = await newTenant()
    expect(await admin(`tenants/${other.id}`, { name: 'acme' }, 'PATCH')).toMatchObject({ status: 409 })
    expect(await admin(`tenants/${id}`, { name: 'acme' }, 'PATCH')).toMatchObject({ status: 200 })
    expect((await list('tenants')).filter(({ name }) => name === 'acme')).toHaveLength(1)
    const atOnce = await Promise.all(Array.from({ length: 5 }, () => admin('tenants', { name: 'at once' })))
    expect(atOnce.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409])
  })

  test('that calls more often than it may is told to wait, and others are not', async () => {
    const { key } = await newTenant({ request_limit_per_s: 3 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => jobsAs(key)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThanOrEqual(4)
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
    expect(refused[0]?.headers.get('ratelimit-policy')).toContain('"requests";q=3;w=1')
    expect((await jobsAs((await newTenant()).key)).status).toBe(200)
  })

  test('may be allowed to poll less often, or more', async () => {
    const { id, key } = await newTenant({ poll_limit_per_s: 2 })
    const poll = async () => (await posthorn.api('/v1/jobs/job_1', { key })).status
    const statuses = await Promise.all(Array.from({ length: 6 }, poll))
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(3)
    await admin(`tenants/${id}`, { poll_limit_per_s: null }, 'PATCH')
    expect(await Promise.all(Array.from({ length: 6 }, poll))).toEqual(Array(6).fill(404))
  })
})

describe('an API key', () => {
  test('is shown once, and listed without itself', async () => {
    const { key, keyId } = await newTenant()
    expect(key).toMatch(/^phc_/)
    const listed = (await list('keys')).find(({ id }) => id === keyId)
    expect(listed).toMatchObject({ prefix: 'phc_', last_four: key.slice(-4), revoked_at: null, role: 'client' })
    expect(JSON.stringify(await list('keys'))).not.toContain(key)
  })

  test('works until it is revoked', async () => {
    const { key, keyId } = await newTenant()
    expect((await jobsAs(key)).status).toBe(200)
    expect((await admin(`keys/${keyId}/revoke`, {})).body.revoked_at).toEqual(expect.any(String))
    expect((await jobsAs(key)).status).toBe(401)
    expect((await admin(`keys/${keyId}/revoke`, {})).status).toBe(200)
  })

  test('works until it expires', async () => {
    const { id } = await newTenant()
    const order = { role: 'client', tenant_id: id, name: 'short' }
    const soon = await admin('keys', { ...order, expires_at: new Date(Date.now() + 700).toISOString() })
    expect((await jobsAs(String(soon.body.key))).status).toBe(200)
    await expect.poll(async () => (await jobsAs(String(soon.body.key))).status).toBe(401)
  })

  test('of an admin is for /v1/admin alone', async () => {
    const { body } = await admin('keys', { role: 'admin', name: 'second admin' })
    expect(body.key).toMatch(/^pha_/)
    expect((await posthorn.api('/v1/admin/tenants', { key: String(body.key) })).status).toBe(200)
    expect((await jobsAs(String(body.key))).status).toBe(403)
  })

  test('that is wrong many times is refused sooner', async () => {
    const wrong = async () => (await jobsAs('wrong-wrong-wrong-wrong-wrong-wrong')).status
    const statuses = await Promise.all(Array.from({ length: 120 }, wrong))
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    expect((await jobsAs((await newTenant()).key)).status).toBe(200)
  })
})

describe('the audit log', () => {
  test('tells of every act who did it, to what, and in which request', async () => {
    const { id, keyId } = await newTenant()
    await admin(`tenants/${id}`, { name: `renamed ${id}` }, 'PATCH')
    await admin(`tenants/${id}/rotate-secret`, {})
    await admin(`keys/${keyId}/revoke`, {})
    const of = async (target: string) => (await list(`audit?target=${target}`)).map(({ action }) => action)
    expect(await of(id)).toEqual(['tenant.rotate-secret', 'tenant.change', 'tenant.create'])
    expect(await of(keyId)).toEqual(['key.revoke', 'key.create'])
    const [entry] = await list(`audit?target=${id}&action=tenant.change`)
    expect(entry).toMatchObject({ actor: expect.stringMatching(/^key_/), request_id: expect.stringMatching(/^req_/) })
  })

  test('tells of what is done to endpoints of tenants', async () => {
    const { key, id: tenantId } = await newTenant()
    const json = { url: `${receiver.url}/audited`, event_types: ['order.*'] }
    const { id } = (await (await posthorn.api('/v1/endpoints', { json, key })).json()) as Body
    expect((await admin(`endpoints/${id}`, { enabled: false }, 'PATCH')).body).toMatchObject({
      enabled: false,
      tenant_id: tenantId,
    })
    await admin(`endpoints/${id}/rotate-secret`, {})
    await admin(`endpoints/${id}/test`, {})
    const acts = (await list(`audit?target=${id}`)).map(({ action }) => action)
    expect(acts).toEqual(['endpoint.test', 'endpoint.rotate-secret', 'endpoint.change'])
    expect((await list(`endpoints?tenant_id=${tenantId}`)).map((one) => one.id)).toEqual([id])
  })

  test('holds nothing of what was refused', async () => {
    expect((await admin('tenants/ten_1', { name: 'nobody' }, 'PATCH')).status).toBe(404)
    expect((await admin('keys/key_1/revoke', {})).status).toBe(404)
    expect(await list('audit?target=ten_1')).toEqual([])
    expect(await list('audit?target=key_1')).toEqual([])
  })
})
