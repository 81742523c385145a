import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawRequest } from '../support/raw-request.ts'
import { API_KEY, finished, startTestService, type TestService } from '../support/service.ts'

interface Accepted {
  id: string
  links: { href: string; rel: string; method: string }[]
}

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

const ASYNC = { prefer: 'respond-async' }
const HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', ...ASYNC }

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('an accepted job is answered with 202, its place, and when to ask again', async () => {
  const response = await posthorn.api('/v1/jobs', { json: { type: 'echo', payload: { a: 1 } }, headers: ASYNC })
  const body = (await response.json()) as Accepted
  expect(response.status).toBe(202)
  expect(body.id).toMatch(/^job_[0-9a-f]{12}7[0-9a-f]{19}$/)
  expect(response.headers.get('location')).toBe(`${posthorn.url}/v1/jobs/${body.id}/status`)
  expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(response.headers.get('preference-applied')).toBe('respond-async')
  expect(response.headers.get('vary')).toMatch(/\bPrefer\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.has('idempotent-replayed')).toBe(false)
})

test('its body holds only what never changes, with the defaults filled in', async () => {
  const metadata = { order: '42' }
  const json = {
    type: 'echo',
    payload: {},
    metadata,
    priority: 0,
    max_attempts: 7,
    run_at: '2099-01-01T00:00:00+02:00',
  }
  const body = await (await posthorn.api('/v1/jobs', { json, headers: ASYNC })).json()
  expect(body).toEqual({
    id: expect.any(String),
    type: 'echo',
    priority: 0,
    max_attempts: 7,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    run_at: '2098-12-31T22:00:00.000Z',
    metadata,
    links: expect.any(Array),
  })
})

test('a payload may be left out and is an empty object then', async () => {
  const id = await posthorn.submit({ type: 'echo' })
  expect(await posthorn.job(id, finished)).toMatchObject({ status: 'completed', result: {} })
})

test('priority, attempts and metadata have defaults', async () => {
  const plain = await (await posthorn.api('/v1/jobs', { json: { type: 'echo', payload: {} }, headers: ASYNC })).json()
  expect(plain).toMatchObject({ priority: 5, max_attempts: 3, metadata: {} })
})

test('its links are absolute and lead to the job', async () => {
  const json = { type: 'echo', payload: {}, callback_url: 'http://127.0.0.1:8099/hook', run_at: '2099-01-01T00:00:00Z' }
  const response = await posthorn.api('/v1/jobs', { json, headers: ASYNC })
  const { id, links } = (await response.json()) as Accepted
  expect(links.map(({ rel }) => rel)).toEqual(
    expect.arrayContaining(['self', 'status', 'result', 'cancel', 'deliveries']),
  )
  expect(links.find(({ rel }) => rel === 'self')?.href).toBe(`${posthorn.url}/v1/jobs/${id}`)
  for (const { href, rel, method } of links) {
    expect(href.startsWith(`${posthorn.url}/v1/`)).toBe(true)
    if (method !== 'GET') continue
    const answer = await fetch(href, { headers: HEADERS })
    expect([rel, answer.status]).toEqual([rel, rel === 'result' ? 404 : 200])
  }
  const cancel = links.find(({ rel }) => rel === 'cancel')
  expect(cancel?.method).toBe('POST')
  expect((await fetch(cancel?.href ?? '', { method: 'POST', headers: HEADERS })).status).toBe(200)
})

test('links never come from the Host header', async () => {
  const answer = await rawRequest(
    `${posthorn.url}/v1/jobs`,
    { method: 'POST', headers: { ...HEADERS, host: 'evil.example', 'x-forwarded-host': 'evil.example' } },
    (request) => request.end('{"type":"echo","payload":{}}'),
  )
  expect(answer.status).toBe(202)
  expect(answer.headers.location).toMatch(`${posthorn.url}/v1/jobs/job_`)
  expect(answer.body).not.toContain('evil.example')
  const refused = await rawRequest(`${posthorn.url}/v1/nothing`, { headers: { host: 'evil.example' } })
  expect(refused.status).toBe(404)
  expect(refused.body).toContain(`${posthorn.url}/problems/not-found`)
  expect(refused.body).not.toContain('evil.example')
})

test('links come from POSTHORN_PUBLIC_URL when it is set', async () => {
  const port = await freePort()
  const env = { POSTHORN_PORT: String(port), POSTHORN_PUBLIC_URL: 'https://hooks.example/base/' }
  await using hidden = await startTestService(env)
  expect(hidden.url).toBe('https://hooks.example/base')
  const local = `http://127.0.0.1:${port}`
  const response = await fetch(`${local}/v1/jobs`, {
    method: 'POST',
    headers: HEADERS,
    body: '{"type":"echo","payload":{}}',
  })
  const { id, links } = (await response.json()) as Accepted
  expect(response.headers.get('location')).toBe(`https://hooks.example/base/v1/jobs/${id}/status`)
  for (const { href } of links) expect(href).toMatch(new RegExp(`^https://hooks\\.example/base/v1/.*${id}`))
  const list = await (await fetch(`${local}/v1/jobs?limit=1`, { headers: HEADERS })).json()
  expect(list).toMatchObject({ links: [{ href: 'https://hooks.example/base/v1/jobs?limit=1' }, { rel: 'next' }] })
  const problem = await (await fetch(`${local}/v1/nothing`)).json()
  expect(problem).toMatchObject({ type: 'https://hooks.example/base/problems/not-found', instance: '/v1/nothing' })
})

test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON', 'application/vnd.acme+json'])(
  'a body sent as %s is taken',
  async (type) => {
    const response = await posthorn.api('/v1/jobs', {
      method: 'POST',
      body: '{"type":"echo","payload":{}}',
      headers: { 'content-type': type, ...ASYNC },
    })
    expect(response.status).toBe(202)
  },
)

test('a body of exactly 1 MiB, 64 levels deep, is taken and comes back as it was', async () => {
  const frame = (text: string) =>
    `{"type":"echo","payload":{"deep":${'['.repeat(62)}${']'.repeat(62)},"text":"${text}"}}`
  const body = frame('x'.repeat(1024 * 1024 - frame('').length))
  const response = await posthorn.api('/v1/jobs', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...ASYNC },
  })
  expect(response.status).toBe(202)
  const { id } = (await response.json()) as Accepted
  await posthorn.job(id, finished)
  const result = await (await posthorn.api(`/v1/jobs/${id}/result`)).text()
  expect(JSON.stringify(JSON.parse(result))).toBe(JSON.stringify((JSON.parse(body) as { payload: unknown }).payload))
})

test('unknown members of the body are ignored', async () => {
  expect(
    (await posthorn.api('/v1/jobs', { json: { type: 'echo', payload: {}, colour: 'red' }, headers: ASYNC })).status,
  ).toBe(202)
})
