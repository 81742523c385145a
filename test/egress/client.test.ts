import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { clientFor, listen, postTo, receive, requestTo, response } from './receivers.ts'

describe('a request', () => {
  test('arrives as given, with its length and no headers of got’s own', async () => {
    const { requests, outcome } = await postTo((socket) => socket.end(response(204)), {
      headers: { 'Webhook-Id': 'evt_1', 'content-type': 'application/json' },
      body: Buffer.from('{"ü":1}'),
    })
    expect(outcome).toMatchObject({ kind: 'answer', status: 204 })
    const lines = requests[0]?.split('\r\n') ?? []
    expect(lines.slice(0, -2)).toEqual([
      'POST /hook HTTP/1.1',
      'user-agent: Posthorn',
      'webhook-id: evt_1',
      'content-type: application/json',
      'content-length: 8',
      expect.stringMatching(/^Host: 127\.0\.0\.1:\d+$/),
      'Connection: keep-alive',
    ])
  })

  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s without a body is answered',
    async (method) => {
      const { outcome, requests } = await postTo((socket) => socket.end(response(200)), { method, body: null })
      expect(outcome).toMatchObject({ kind: 'answer', status: 200 })
      expect(requests[0]).toContain(`${method} /hook HTTP/1.1`)
    },
  )

  test.each([
    ['CRLF in a value', { headers: { a: 'x\r\ninjected: y' } }],
    ['LF in a value', { headers: { a: 'x\ny' } }],
    ['NUL in a value', { headers: { a: 'x\0y' } }],
    ['CRLF in a name', { headers: { 'a\r\nb': 'x' } }],
    ['a colon in a name', { headers: { 'a:b': 'x' } }],
    ['an empty name', { headers: { '': 'x' } }],
    ['an emoji', { headers: { a: '🎉' } }],
    ['CRLF in the method', { method: 'GET / HTTP/1.1\r\nx: y\r\n\r\nGET' }],
    ['an empty method', { method: '' }],
    ['CONNECT', { method: 'CONNECT' }],
    ['a HEAD with a body', { method: 'HEAD' }],
  ])('%s is refused and nothing is sent', async (_title, overrides) => {
    const { outcome, connections } = await postTo((socket) => socket.end(response(200)), overrides)
    expect(outcome).toEqual({ kind: 'error', class: 'protocol', text: expect.stringMatching(/^[\x20-\x7e]{10,200}$/) })
    expect(connections).toBe(0)
  })

  test('a URL that is none is refused', async () => {
    const { outcome, phases, remoteAddress } = await clientFor([]).send(requestTo('ftp://good.example/'))
    expect(outcome).toEqual({ kind: 'error', class: 'invalid_url', text: 'The URL is neither http nor https.' })
    expect([phases.total, remoteAddress]).toEqual([0, null])
  })

  test('loopback on the port next to an allowed one is blocked without a connection', async () => {
    const allowed = await receive((socket) => socket.end(response(200)))
    const canary = await receive((socket) => socket.end(response(200)))
    const client = clientFor([allowed.port])
    expect((await client.send(requestTo(allowed.port))).outcome).toMatchObject({ kind: 'answer' })
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]']) {
      const { outcome } = await client.send(requestTo(`http://${host}:${canary.port}/`))
      expect(outcome).toMatchObject({ kind: 'error', class: 'blocked_address' })
    }
    expect(canary.connections).toBe(0)
  })

  test('localhost is the loopback address without asking DNS', async () => {
    const { port } = await receive((socket) => socket.end(response(200)))
    const { outcome, remoteAddress, phases } = await clientFor([port], { dnsServers: ['127.0.0.1:9'] }).send(
      requestTo(`http://x.localhost:${port}/`),
    )
    expect([outcome.kind, remoteAddress, phases.dns]).toEqual(['answer', `127.0.0.1:${port}`, null])
  })
})

describe('an answer', () => {
  test('comes with its headers in lower case, duplicates joined, and none of them special', async () => {
    const headers = ['X-A: 1', 'x-a: 2', 'Set-Cookie: a=b', 'set-cookie: c=d', '__proto__: x', 'constructor: y']
    const { outcome } = await postTo((socket) => socket.end(response(200, 'hi', ...headers)))
    const got = outcome.kind === 'answer' ? outcome.headers : {}
    expect(Object.entries(got).sort()).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['content-length', '2'],
      ['set-cookie', 'a=b, c=d'],
      ['x-a', '1, 2'],
    ])
    expect(Object.hasOwn({}, 'x')).toBe(false)
  })

  test.each([200, 204, 304, 400, 410, 429, 503, 599, 999])('with status %d is an answer', async (status) => {
    const { outcome } = await postTo((socket) => socket.end(response(status)))
    expect(outcome).toMatchObject({ kind: 'answer', status, note: null })
  })

  test('that redirects is not followed', async () => {
    const elsewhere = await receive((socket) => socket.end(response(200)))
    const here = await receive((socket) =>
      socket.end(response(302, '', `location: http://127.0.0.1:${elsewhere.port}/`)),
    )
    const { outcome } = await clientFor([here.port, elsewhere.port]).send(requestTo(here.port))
    expect(outcome).toMatchObject({ kind: 'answer', status: 302, note: null })
    expect([here.connections, elsewhere.connections]).toEqual([1, 0])
  })

  test('is kept up to the limit, and the rest is not read', async () => {
    const exact = await postTo((socket) => socket.end(response(200, 'x'.repeat(100))), { maxBytes: 100 })
    expect([exact.body.length, exact.truncated, exact.outcome]).toEqual([
      100,
      false,
      expect.objectContaining({ note: null }),
    ])
    const over = await postTo((socket) => socket.end(response(200, 'x'.repeat(101))), { maxBytes: 100 })
    expect([over.body.length, over.truncated]).toEqual([100, true])
    expect(over.outcome).toMatchObject({ status: 200, note: 'only the first 100 bytes of the body were read' })
  })

  test('that is compressed stays compressed', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    const { body, outcome } = await postTo((socket) => {
      socket.write(response(200, ' '.repeat(bomb.length), 'content-encoding: gzip').trimEnd().concat('\r\n\r\n'))
      socket.end(bomb)
    })
    expect(outcome).toMatchObject({ status: 200, note: null })
    expect(body.equals(bomb)).toBe(true)
  })
})

describe('the time it took', () => {
  test('is given by phase, and a reused connection has no connecting phases', async () => {
    const { port } = await receive((socket) => socket.write(response(200)))
    const client = clientFor([port])
    const first = await client.send(requestTo(port))
    const second = await client.send(requestTo(port))
    expect(first.phases).toEqual({
      dns: null,
      connect: expect.any(Number),
      tls: null,
      firstByte: expect.any(Number),
      total: expect.any(Number),
    })
    expect(second.phases).toMatchObject({ dns: null, connect: null, tls: null, firstByte: expect.any(Number) })
    expect([first.remoteAddress, second.remoteAddress]).toEqual(Array(2).fill(`127.0.0.1:${port}`))
  })

  test('is measured with the given clock', async () => {
    const { port } = await receive((socket) => socket.end(response(200)))
    let now = 0
    const client = clientFor([port], { now: () => (now += 1000) })
    const { phases } = await client.send(requestTo(port, { timeoutMs: 60_000 }))
    expect(phases.total % 1000).toBe(0)
    expect(phases.total).toBeGreaterThan(0)
  })
})

describe('a caller', () => {
  test('can abort while the receiver is silent', async () => {
    const abort = new AbortController()
    const { outcome, closed } = await postTo(() => abort.abort(), { signal: abort.signal })
    expect(outcome).toEqual({ kind: 'error', class: 'reset', text: 'aborted by the caller' })
    await closed(1)
  })

  test('that has aborted already sends nothing', async () => {
    const { outcome, requests } = await postTo((socket) => socket.end(response(200)), { signal: AbortSignal.abort() })
    expect(outcome).toEqual({ kind: 'error', class: 'reset', text: 'aborted by the caller' })
    expect(requests).toEqual([])
  })

  test('leaves no listener on its signal', async () => {
    const { signal } = new AbortController()
    const counted: string[] = []
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: [string, ...never[]]) => {
      counted.push('+')
      addEventListener.apply(signal, args as never)
    }
    signal.removeEventListener = (...args: [string, ...never[]]) => {
      counted.push('-')
      removeEventListener.apply(signal, args as never)
    }
    await postTo((socket) => socket.end(response(200)), { signal })
    expect(counted).toEqual(['+', '-'])
  })

  test('can close the client, which ends what is in flight', async () => {
    const { port, closed } = await receive(() => client.close())
    const client = clientFor([port])
    const { outcome } = await client.send(requestTo(port))
    expect(outcome).toMatchObject({ kind: 'error', class: 'reset' })
    await closed(1)
  })
})

test('proxies of the environment are not used', async () => {
  const proxied: string[] = []
  const proxy = await listen(
    createServer((request, answer) => answer.end(proxied.push(String(request.url)).toString())),
  )
  const { port, requests } = await receive((socket) => socket.end(response(200)))
  const url = `http://127.0.0.1:${port}/hook`
  const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']
  const env = { ...process.env, NODE_USE_ENV_PROXY: '1', NO_PROXY: '', no_proxy: '' }
  Object.assign(env, Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${proxy}`])))
  const script = `
    import { createEgressClient } from '${new URL('../../src/egress/client.ts', import.meta.url)}'
    import { parseEgressAllow } from '${new URL('../../src/egress/judge.ts', import.meta.url)}'
    import http from 'node:http'
    await new Promise((done) => http.get('${url}?control', (answer) => answer.resume().on('end', done)))
    const client = createEgressClient({ allow: parseEgressAllow('127.0.0.1/32:${port}') })
    await client.send(${JSON.stringify(requestTo(port))})
    client.close()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(proxied).toEqual([`${url}?control`])
  expect(requests).toHaveLength(1)
})
