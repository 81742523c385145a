import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_KEY, API_KEY, startTestService, type TestService } from '../support/service.ts'
import { type ShiftingClock, shiftingClock } from '../support/shifting-clock.ts'

let posthorn: TestService
let clock: ShiftingClock
beforeAll(async () => {
  clock = shiftingClock()
  posthorn = await startTestService({}, undefined, clock)
})
afterAll(() => posthorn[Symbol.asyncDispose]())

interface Answer {
  status: number
  cookie: string | undefined
  body: Record<string, unknown>
}

type Headers = Record<string, string>
/** What a browser says of a page of ours. */
const OWN: Headers = { 'sec-fetch-site': 'same-origin' }

/** By hand: fetch sets some of these headers itself. */
function call(method: string, path: string, headers: Headers, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const json = body === undefined ? {} : { 'content-type': 'application/json' }
    const made = request(posthorn.url + path, { method, headers: { ...json, ...headers } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        const cookie = response.headers['set-cookie']?.[0]
        resolve({ status: response.statusCode ?? 0, cookie, body: text === '' ? {} : JSON.parse(text) })
      })
    })
    made.on('error', reject)
    made.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const signIn = (key: string, headers = OWN) => call('POST', '/admin/session', headers, { key })

async function session(key = ADMIN_KEY): Promise<Headers> {
  const { status, cookie } = await signIn(key)
  expect(status).toBe(200)
  return { cookie: String(cookie).split(';')[0] ?? '' }
}

async function newAdminKey(): Promise<{ id: string; key: string }> {
  const response = await posthorn.api('/v1/admin/keys', {
    key: ADMIN_KEY,
    json: { role: 'admin', name: 'a colleague' },
  })
  return (await response.json()) as { id: string; key: string }
}

describe('signing in', () => {
  test('gives a cookie that no script sees and no other site sends', async () => {
    const { cookie, body } = await signIn(ADMIN_KEY)
    expect(cookie).toMatch(/^posthorn_session=[^;]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(ADMIN_KEY)
    expect(body).toMatchObject({ name: 'environment', last_four: ADMIN_KEY.slice(-4) })
  })

  test('is for the pages of the console', async () => {
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://example.com' },
      { origin: 'null' },
    ]) {
      expect(await signIn(ADMIN_KEY, headers as Headers), JSON.stringify(headers)).toMatchObject({
        status: 403,
        cookie: undefined,
      })
    }
    // Where the connection is not safe, browsers leave out what is said above; they always say the origin.
    expect((await signIn(ADMIN_KEY, { origin: new URL(posthorn.url).origin })).status).toBe(200)
  })

  test('needs the key of an admin', async () => {
    expect(await signIn('x'.repeat(40))).toMatchObject({ status: 401, cookie: undefined })
    expect(await signIn(API_KEY)).toMatchObject({ status: 403, cookie: undefined })
    for (const body of [{}, { key: '' }, { key: 7 }, { key: 'x'.repeat(513) }, []]) {
      expect(await call('POST', '/admin/session', OWN, body)).toMatchObject({ status: 400, cookie: undefined })
    }
  })
})

describe('a session', () => {
  test('does what its key may, and the audit log names the key', async () => {
    const { id, key } = await newAdminKey()
    const cookie = await session(key)
    expect((await call('GET', '/admin/session', { ...cookie, ...OWN })).body).toMatchObject({ id })
    expect((await call('GET', '/v1/admin/tenants', cookie)).status).toBe(200)
    const made = await call('POST', '/v1/admin/tenants', { ...cookie, ...OWN }, { name: 'by session' })
    expect(made.status).toBe(201)
    const { body } = await call('GET', `/v1/admin/audit?target=${String(made.body.id)}`, { ...cookie, ...OWN })
    expect(body.data).toMatchObject([{ action: 'tenant.create', actor: id }])
  })

  test('is of no use for what clients may', async () => {
    expect((await call('GET', '/v1/jobs', { ...(await session()), ...OWN })).status).toBe(401)
  })

  test('is of no use to another site, even one that could send the cookie', async () => {
    const cookie = await session()
    for (const headers of [
      {},
      { origin: 'https://example.com' },
      { 'sec-fetch-site': 'same-site', origin: posthorn.url },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const { status } = await call(
        'POST',
        '/v1/admin/tenants',
        { ...cookie, ...(headers as Headers) },
        { name: 'forged' },
      )
      expect(status, JSON.stringify(headers)).toBe(403)
    }
    expect((await call('GET', '/v1/admin/tenants', { ...cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await call('DELETE', '/admin/session', cookie)).status).toBe(403)
    const { body } = await call('GET', '/v1/admin/tenants', { ...cookie, ...OWN })
    expect(JSON.stringify(body)).not.toContain('forged')
  })

  test('does not count beside a key in the request', async () => {
    const headers = { ...(await session()), ...OWN, authorization: `Bearer ${'x'.repeat(40)}` }
    expect((await call('GET', '/v1/admin/tenants', headers)).status).toBe(401)
  })

  test('ends with its key', async () => {
    const { id, key } = await newAdminKey()
    const headers = { ...(await session(key)), ...OWN }
    expect((await call('GET', '/v1/admin/tenants', headers)).status).toBe(200)
    await posthorn.api(`/v1/admin/keys/${id}/revoke`, { key: ADMIN_KEY, method: 'POST' })
    expect((await call('GET', '/v1/admin/tenants', headers)).status).toBe(401)
  })

  test('ends after 12 hours', async () => {
    const headers = { ...(await session()), ...OWN }
    clock.shift(12 * 3_600_000 - 10_000)
    expect((await call('GET', '/v1/admin/tenants', headers)).status).toBe(200)
    clock.shift(10_001)
    expect((await call('GET', '/v1/admin/tenants', headers)).status).toBe(401)
  })

  test('is forgotten by the browser on signing out', async () => {
    const { status, cookie } = await call('DELETE', '/admin/session', { ...(await session()), ...OWN })
    expect(status).toBe(204)
    expect(cookie).toMatch(/^posthorn_session=; Max-Age=0; /)
  })

  test('cannot be made up', async () => {
    const { cookie = '' } = await session()
    const [name, value = ''] = cookie.split('=')
    const flipped = `${value.slice(0, -8)}${value.at(-8) === 'A' ? 'B' : 'A'}${value.slice(-7)}`
    for (const forged of ['', 'x', 'v1:file:', 'v1:other:AAAA', flipped, encodeURIComponent('{"keyHash":"x"}')]) {
      const { status } = await call('GET', '/v1/admin/tenants', { ...OWN, cookie: `${name}=${forged}` })
      expect(status, forged).toBe(401)
    }
  })
})

test('behind https the cookie is for https and this host alone', async () => {
  await using https = await startTestService({ POSTHORN_PUBLIC_URL: 'https://posthorn.example' })
  const response = await fetch(`http://127.0.0.1:${https.service.port}/admin/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: `http://127.0.0.1:${https.service.port}` },
    body: JSON.stringify({ key: ADMIN_KEY }),
  })
  expect(response.headers.get('set-cookie')).toMatch(/^__Host-posthorn_session=.*; Secure; /)
})
