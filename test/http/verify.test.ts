import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { type Hit, type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

interface Diagnosis {
  valid: boolean
  reason: string | null
  checks: { name: string; ok: boolean; code: string | null; detail: string }[]
}

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({}, await folderWithOtherTenant())
  receiver = await startReceiver()
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

async function register(path: string, settings: object = {}): Promise<{ id: string; secret: string }> {
  const response = await posthorn.api('/v1/endpoints', { json: { url: receiver.url + path, ...settings } })
  return (await response.json()) as { id: string; secret: string }
}

/** What a receiver of a new event gets. */
async function received(path: string, type: string, data: unknown = { n: 1 }): Promise<Hit> {
  const known = receiver.hits.length
  await posthorn.api('/v1/events', { json: { type, data } })
  await receiver.waitFor(1, (hit) => hit.path === path && receiver.hits.indexOf(hit) >= known)
  return receiver.hits.findLast((hit) => hit.path === path) as Hit
}

async function verify(hit: Pick<Hit, 'headers' | 'body'>, secret?: string, key?: string): Promise<Diagnosis> {
  const json = { headers: hit.headers, body: hit.body, secret }
  const response = await posthorn.api('/v1/verify', { json, ...(key && { key }) })
  expect(response.status).toBe(200)
  return (await response.json()) as Diagnosis
}

const codes = ({ checks }: Diagnosis) => checks.flatMap(({ code }) => code ?? [])

describe('POST /v1/verify', () => {
  test('says that a delivery is right, with its secret and without', async () => {
    const { id, secret } = await register('/right', { event_types: ['right.one'] })
    const hit = await received('/right', 'right.one')
    expect(await verify(hit, secret)).toMatchObject({ valid: true, reason: null })
    const diagnosis = await verify(hit)
    expect(diagnosis).toMatchObject({ valid: true, reason: null })
    expect(diagnosis.checks.find(({ name }) => name === 'signature')?.detail).toContain(id)
    expect(JSON.stringify(diagnosis)).not.toContain(secret.slice(6))
  })

  test('says to admins whether it was right when it was received', async () => {
    await register('/then', { event_types: ['then.one'] })
    const { headers, body } = await received('/then', 'then.one')
    const { data } = (await (await posthorn.api('/v1/admin/endpoints', { key: ADMIN_KEY })).json()) as {
      data: { tenant_id: string }[]
    }
    const asAdmin = async (changes: object) => {
      const json = { tenant_id: data[0]?.tenant_id, headers, body, ...changes }
      return (await (await posthorn.api('/v1/admin/verify', { key: ADMIN_KEY, json })).json()) as Diagnosis
    }
    expect(await asAdmin({})).toMatchObject({ valid: true })
    expect(await asAdmin({ at: '2020-01-01T00:00:00Z' })).toMatchObject({ reason: 'timestamp_outside_tolerance' })
    expect(await asAdmin({ tenant_id: 'ten_none' })).toMatchObject({ valid: false })
  })

  test('knows a secret of the tenant that was rotated out', async () => {
    const made = await posthorn.api('/v1/admin/tenants', { key: ADMIN_KEY, json: { name: 'rotates' } })
    const tenant = (await made.json()) as { id: string; signing_secret: string }
    await posthorn.api(`/v1/admin/tenants/${tenant.id}/rotate-secret`, { key: ADMIN_KEY, json: {} })
    const id = `evt_${'0'.repeat(32)}`
    const now = new Date()
    const signature = new Webhook(tenant.signing_secret).sign(id, now, '{}')
    const seconds = String(Math.floor(now.getTime() / 1000))
    const headers = { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature }
    const json = { tenant_id: tenant.id, headers, body: '{}' }
    const answer = (await (await posthorn.api('/v1/admin/verify', { key: ADMIN_KEY, json })).json()) as Diagnosis
    expect(answer.checks.find(({ name }) => name === 'signature')).toMatchObject({ ok: true })
  })

  test('compares the body with what was sent', async () => {
    const { secret } = await register('/body', { event_types: ['body.one'] })
    const hit = await received('/body', 'body.one', { b: 1, a: 'ü' })
    const changed = { ...hit, body: JSON.stringify(JSON.parse(hit.body), null, 2) }
    const diagnosis = await verify(changed, secret)
    expect(diagnosis).toMatchObject({ valid: false, reason: 'body_reserialised' })
    expect(diagnosis.checks.find(({ name }) => name === 'body')?.detail).toMatch(/^From byte 1 on /)
    expect((await verify({ ...hit, body: Buffer.from(hit.body).toString('latin1') }, secret)).reason).toBe(
      'body_reencoded',
    )
  })

  test('knows whose secret it is, and which is old', async () => {
    const one = await register('/one', { event_types: ['secret.one'] })
    const two = await register('/two', { event_types: ['secret.two'] })
    const hit = await received('/one', 'secret.one')
    const wrong = await verify(hit, two.secret)
    expect(wrong).toMatchObject({ valid: false, reason: 'secret_of_another_endpoint' })
    const { detail } = wrong.checks.find(({ name }) => name === 'signature') ?? { detail: '' }
    expect([detail.includes(one.id), detail.includes(two.id)]).toEqual([true, true])
    expect((await verify(hit, SIGNING_SECRET)).reason).toBe('secret_of_another_endpoint')
    await posthorn.api(`/v1/endpoints/${one.id}/rotate-secret`, { json: { overlap_s: 1 } })
    expect(await verify(await received('/one', 'secret.one'), one.secret)).toMatchObject({ valid: true })
    await expect
      .poll(async () => (await verify(await received('/one', 'secret.one'), one.secret)).reason, { timeout: 10_000 })
      .toBe('old_secret')
  })

  test('verifies callbacks of jobs with the secret of the tenant', async () => {
    await posthorn.submit({ type: 'echo', callback_url: `${receiver.url}/job` })
    const [hit] = await receiver.waitFor(1, ({ path }) => path === '/job')
    expect(await verify(hit as Hit, SIGNING_SECRET)).toMatchObject({ valid: true })
    expect(await verify(hit as Hit)).toMatchObject({ valid: true })
  })

  test('knows nothing of the secrets and events of others', async () => {
    const { secret } = await register('/mine', { event_types: ['mine.one'] })
    const hit = await received('/mine', 'mine.one')
    expect((await verify(hit, undefined, OTHER_KEY)).reason).toBe('signature_mismatch')
    expect(await verify(hit, secret, OTHER_KEY)).toMatchObject({ valid: true })
    const changed = await verify({ ...hit, body: `${hit.body} x` }, secret, OTHER_KEY)
    expect(codes(changed)).toEqual(['signature_mismatch'])
  })

  test('takes headers that came more than once', async () => {
    const { secret } = await register('/twice', { event_types: ['twice.one'] })
    const { headers, body } = await received('/twice', 'twice.one')
    const signature = String(headers['webhook-signature'])
    const twice = { headers: { ...headers, 'webhook-signature': [signature, signature] }, body }
    expect((await verify(twice as unknown as Hit, secret)).reason).toBe('comma_separated')
  })

  test.each([
    [{ headers: {} }, '/body'],
    [{ headers: { 'webhook-id': 1 }, body: '' }, '/headers/webhook-id'],
    [{ headers: {}, body: {} }, '/body'],
    [{ headers: {}, body: '', secret: 7 }, '/secret'],
  ])('%j is refused', async (json, field) => {
    const { details } = await problemIn(await posthorn.api('/v1/verify', { json }), 400, 'invalid-request')
    expect(details.map((detail) => detail.field)).toEqual([field])
  })
})
