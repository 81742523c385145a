import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { form, tell } from '../chaos/form.ts'
import { problemIn } from '../support/problem.ts'
import { startReceiver } from '../support/receiver.ts'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'

// Keys, and headers that a client may set. Two Authorization headers and keys of a megabyte are in raw-http and
// connections, keys of another tenant or role in tenants, keys in the query in test/http/problems.test.ts.

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

test('a key that was replaced is refused from then on, with all that it made still there', async () => {
  const service = await startTestService({}, `${posthorn.folder}-keys`)
  const id = await service.submit({ type: 'echo', run_at: '2099-01-01T00:00:00Z' })
  await service.service.stop()
  const key = 'another-client-key-0123456789abcdefg'
  const again = await startTestService({ POSTHORN_API_KEY: key }, `${posthorn.folder}-keys`)
  try {
    await problemIn(await again.api(`/v1/jobs/${id}`), 401, 'unauthorized')
    await problemIn(await again.api('/v1/jobs', { json: { type: 'echo' } }), 401, 'unauthorized')
    expect((await again.api(`/v1/jobs/${id}`, { key })).status).toBe(200)
  } finally {
    await again[Symbol.asyncDispose]()
    await rm(`${posthorn.folder}-keys`, { recursive: true, force: true })
  }
})

describe('401 for what only looks like a key:', () => {
  test.each<[string, string]>([
    ['with a space before', ` ${API_KEY}`.replace(' ', '\u00a0')],
    ['in other letters', API_KEY.toUpperCase()],
    ['with the hash of it', 'c0ffee'.repeat(10)],
    ['SQL', "' OR 1=1 --"],
    ['a wildcard', '%'],
    ['of 512 characters', 'k'.repeat(512)],
    ['of 513', 'k'.repeat(513)],
    ['nothing', ''],
    ['with a tab', `${API_KEY}\t${API_KEY}`],
  ])('%s', async (_what, key) => {
    const problem = await problemIn(await posthorn.api('/v1/jobs', { key }), 401, 'unauthorized')
    expect(JSON.stringify(problem)).not.toContain(key === '' ? API_KEY : key)
  })
})

// Keys are looked up by their SHA-256, so that how long a lookup takes says nothing of a key that nearly fits: its
// hash is another one altogether. That is the defence; the measurement would only notice if somebody compared texts.
test('a key that is right up to its last letter takes as long as any other', async () => {
  const each = form(300, 5000)
  const near = `${API_KEY.slice(0, -1)}!`
  const far = 'z'.repeat(API_KEY.length)
  const timesOf = new Map<string, number[]>([
    [near, []],
    [far, []],
  ])
  for (let n = 0; n < each; n++) {
    for (const [key, times] of n % 2 === 0 ? [...timesOf] : [...timesOf].reverse()) {
      const from = performance.now()
      await (await fetch(`${posthorn.url}/v1/jobs`, { headers: { authorization: `Bearer ${key}` } })).arrayBuffer()
      times.push(performance.now() - from)
    }
  }
  const [nearly, not] = [...timesOf.values()].map((times) => times.sort((a, b) => a - b)[each >> 1] as number)
  tell('median of 401s, ms', { nearly, not })
  // Coarse, for a machine that does other things: in the long form the medians differ by less than 5 %.
  expect((nearly as number) / (not as number)).toBeGreaterThan(0.5)
  expect((nearly as number) / (not as number)).toBeLessThan(2)
}, 60_000)

describe('headers of an endpoint', () => {
  const register = (headers: Record<string, string>) =>
    posthorn.api('/v1/endpoints', { json: { url: 'https://example.com/', headers } })
  const many = (count: number, value = 'v') =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, value]))

  test.each<[string, Record<string, string>]>([
    ['a line break', { 'x-a': 'a\r\nx-injected: 1' }],
    ['a line feed', { 'x-a': 'a\nx-injected: 1' }],
    ['NUL', { 'x-a': 'a\0b' }],
    ['an emoji', { 'x-a': '👻' }],
    ['beyond ASCII', { 'x-a': 'ü' }],
    ['an empty name', { '': 'v' }],
    ['a line break in a name', { 'x-a\r\nx-b': 'v' }],
    ['a space in a name', { 'x a': 'v' }],
    ['a colon in a name', { 'x:a': 'v' }],
    ['one name twice', { 'x-a': '1', 'X-A': '2' }],
    ...[
      'host',
      'Host',
      'content-length',
      'Transfer-Encoding',
      'connection',
      'upgrade',
      'expect',
      'te',
      'trailer',
      'cookie',
      'webhook-signature',
      'webhook-id',
      'svix-id',
      'x-forwarded-for',
      'proxy-authorization',
      'content-type',
      'keep-alive',
    ].map((name): [string, Record<string, string>] => [name, { [name]: '5' }]),
    ['33 of them', many(33)],
    ['a value of 4,097', { 'x-a': 'v'.repeat(4097) }],
    ['8 KiB and one', { ...many(1, 'v'.repeat(4096)), 'y-0': 'v'.repeat(4096 - 5) }],
  ])('are refused: %j', async (_what, headers) => {
    const { details } = await problemIn(await register(headers), 400, 'invalid-request')
    expect(details[0]?.field).toMatch(/^\/headers/)
  })

  test('that are allowed arrive as they were set, and nothing else does', async () => {
    await using receiver = await startReceiver()
    const headers = {
      authorization: 'Bearer theirs',
      'x-a': 'with: colon, "quotes" and\ttab',
      __proto__x: 'v',
      constructor: 'c',
    }
    const made = await posthorn.api('/v1/endpoints', { json: { url: receiver.url, headers, event_types: ['mine.*'] } })
    expect(made.status).toBe(201)
    await posthorn.api('/v1/events', { json: { type: 'mine.one', data: 1 } })
    const [hit] = await receiver.waitFor(1)
    expect(hit?.headers).toMatchObject(headers)
    const own = /^(webhook-|content-|host$|connection$|user-agent$|traceparent$|accept)/
    expect(Object.keys(hit?.headers ?? {}).filter((name) => !own.test(name) && !Object.hasOwn(headers, name))).toEqual(
      [],
    )
  })
})

test('what a client sends as its request’s id cannot break a header or the log', async () => {
  const socket = connect(posthorn.service.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: \x1b[31m"\\n<script>\r\n\r\n')
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('latin1')
  expect(text).toMatch(/\r\nx-request-id: req_[0-9a-f]{32}\r\n|^HTTP\/1\.1 400 /i)
})

afterEach(() => {
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})
