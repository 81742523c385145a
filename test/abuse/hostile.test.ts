import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drip, flood, response } from '../egress/receivers.ts'
import { type AttemptBody, type DeliveryBody, deliveryOf } from '../support/deliveries.ts'
import { LATE_MS } from '../support/late.ts'
import { startTestService, type TestService } from '../support/service.ts'

const DEADLINE_MS = 1000
const KEPT_BYTES = 16 * 1024
const OK = 'HTTP/1.1 200 OK\r\n'
const LONG = `${OK}content-length: 1000\r\n\r\n12345`

/** Called when a request's header block has come. */
type Reaction = (socket: Socket, requestNo: number) => void

interface Hostile extends AsyncDisposable {
  url: string
  /** Requests so far. */
  count(): number
}

async function startHostile(react: Reaction, onConnection: (socket: Socket) => void = () => {}): Promise<Hostile> {
  let requests = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => bytes.toString('latin1').includes('HTTP/1.1\r\n') && react(socket, ++requests))
    onConnection(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    count: () => requests,
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const encoded = (encoding: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${OK}content-encoding: ${encoding}\r\ncontent-length: ${body.length}\r\n\r\n`), body])
/** Packed beforehand: nobody is to wait for that. */
const zeros = Buffer.alloc(16 * 1024 * 1024)
const gzipped = gzipSync(zeros)
const bombs = {
  gzip: encoded('gzip', gzipped),
  twice: encoded('gzip, gzip', gzipSync(gzipped)),
  br: encoded('br', brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })),
  zstd: encoded('zstd', zstdCompressSync(zeros)),
}
/** Both, one after the other. */
const then =
  (first: string, more: (socket: Socket) => void) =>
  (socket: Socket): void => {
    socket.write(first, 'latin1')
    more(socket)
  }

/** `delivered`, or the class of the error; then which status was seen. ABUSE §5 D 48–63. */
const CASES: [what: string, outcome: string, status: number | null, react: Reaction][] = [
  ['accepts and never answers', 'timeout', null, () => {}],
  ['sends its headers byte by byte', 'timeout', null, then(OK, (socket) => drip(socket, 'x'))],
  ['sends its body byte by byte', 'delivered', 200, then(LONG, (socket) => drip(socket, 'x'))],
  [
    'sends a body without end',
    'delivered',
    200,
    then(`${OK}\r\n`, (socket) => flood(socket, Buffer.alloc(65_536, 'x'))),
  ],
  ['sends a header of 20 KB', 'protocol', null, (socket) => socket.end(`${OK}x: ${'y'.repeat(20_000)}\r\n\r\n`)],
  ['sends 5,000 headers', 'protocol', null, (socket) => socket.end(`${OK}${'x: yyy\r\n'.repeat(5000)}\r\n`)],
  ['sends headers without end', 'protocol', null, then(OK, (socket) => flood(socket, 'x: yyy\r\n'.repeat(1000)))],
  ['sends a gzip bomb', 'delivered', 200, (socket) => socket.write(bombs.gzip)],
  ['sends one gzipped twice', 'delivered', 200, (socket) => socket.write(bombs.twice)],
  ['sends a Brotli bomb', 'delivered', 200, (socket) => socket.write(bombs.br)],
  ['sends a Zstandard bomb', 'delivered', 200, (socket) => socket.write(bombs.zstd)],
  ['sends what is no gzip', 'delivered', 200, (socket) => socket.write(encoded('gzip', Buffer.from('not gzip')))],
  [
    'sends interim answers without end',
    'protocol',
    null,
    (socket) => flood(socket, 'HTTP/1.1 103 X\r\n\r\n'.repeat(500)),
  ],
  ['sends only 100', 'timeout', null, (socket) => socket.write('HTTP/1.1 100 X\r\n\r\n')],
  ['sends only 102', 'timeout', null, (socket) => socket.write('HTTP/1.1 102 X\r\n\r\n')],
  [
    'switches protocols',
    'protocol',
    null,
    (socket) => socket.write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'),
  ],
  ['resets the connection', 'reset', null, (socket) => socket.resetAndDestroy()],
  ['resets it within its body', 'delivered', 200, (socket) => socket.write(LONG, () => socket.resetAndDestroy())],
  ['ends it within its body', 'delivered', 200, (socket) => socket.end(LONG)],
  [
    'sends two lengths',
    'protocol',
    null,
    (socket) => socket.end(`${OK}content-length: 1\r\ncontent-length: 2\r\n\r\nxx`),
  ],
  [
    'sends a length and chunks',
    'protocol',
    null,
    (socket) => socket.end(`${OK}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
  ],
  ['speaks HTTP/0.9', 'protocol', null, (socket) => socket.end('<html>hello</html>')],
  ['is an SSH server', 'protocol', null, (socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n')],
  ['answers 000', 'protocol', null, (socket) => socket.end('HTTP/1.1 000 X\r\n\r\n')],
  ['answers 999', 'http_status', 999, (socket) => socket.end(response(999))],
  ['answers 204 with a body', 'delivered', 204, (socket) => socket.end(response(204, 'body'))],
  ['answers 205 with a body', 'delivered', 205, (socket) => socket.end(response(205, 'body'))],
  ['answers 304 with a body', 'redirect', 304, (socket) => socket.end(response(304, 'body'))],
]

describe.concurrent('a receiver that', () => {
  let posthorn: TestService
  beforeAll(async () => {
    posthorn = await startTestService({
      POSTHORN_ATTEMPT_TIMEOUT: `${DEADLINE_MS}ms`,
      POSTHORN_GRACE: '3s',
      POSTHORN_RETRY_SCHEDULE: '50ms',
    })
  })
  afterAll(() => posthorn[Symbol.asyncDispose]())

  const submit = (url: string, payload: object = {}) =>
    posthorn.submit({ type: 'echo', payload, callback_url: url, callback_events: ['job.completed'] })

  function within(delivery: DeliveryBody): void {
    for (const { duration_ms: ms, response_body: body } of delivery.attempts) {
      expect(ms).toBeLessThan(DEADLINE_MS + LATE_MS)
      // Bytes that are no UTF-8 are shown as one character each.
      expect((body ?? '').length).toBeLessThanOrEqual(KEPT_BYTES)
    }
  }

  test.each(CASES)('%s: %s', async (_what, outcome, status, react) => {
    await using hostile = await startHostile(react)
    const delivery = await deliveryOf(posthorn, await submit(hostile.url))
    const once = outcome === 'delivered'
    expect(delivery).toMatchObject({ status: once ? 'delivered' : 'dead', last_status: status })
    expect(delivery.attempts).toHaveLength(once ? 1 : 2)
    // What was answered 2xx is not sent again, whatever came after.
    expect(hostile.count()).toBe(once ? 1 : 2)
    if (!once) expect(delivery.last_error?.class).toBe(outcome)
    within(delivery)
  })

  test('does not read what it is sent: timeout', async () => {
    await using hostile = await startHostile(
      () => {},
      (socket) => socket.pause(),
    )
    const delivery = await deliveryOf(posthorn, await submit(hostile.url, { text: 'x'.repeat(256 * 1024) }))
    expect(delivery).toMatchObject({ status: 'dead', last_error: { class: 'timeout' } })
    within(delivery)
  })

  test.each([
    [
      'sends bytes without end in the TLS handshake',
      (socket: Socket) => flood(socket, Buffer.alloc(65_536, 22)),
      'tls',
    ],
    ['stalls in the TLS handshake', () => {}, 'timeout'],
    ['drips in the TLS handshake', then('\x16\x03\x03\x40\x00', (socket) => drip(socket, 'x')), 'timeout|tls'],
  ])('%s', async (_what, onConnection, outcome) => {
    await using hostile = await startHostile(() => {}, onConnection)
    const delivery = await deliveryOf(posthorn, await submit(hostile.url.replace('http:', 'https:')))
    expect(delivery.status).toBe('dead')
    expect(delivery.last_error?.class).toMatch(new RegExp(`^(?:${outcome})$`))
    within(delivery)
  })

  test.each([
    ['two responses in one packet', response(200) + response(500)],
    ['a response nobody asked for', `${response(200)}HTTP/1.1 410 Gone\r\nwebhook-delivery: disable\r\n\r\n`],
  ])('sends %s answers the next delivery by its own', async (_what, bytes) => {
    await using hostile = await startHostile((socket, no) => socket.write(no === 1 ? bytes : response(202)))
    expect(await deliveryOf(posthorn, await submit(hostile.url))).toMatchObject({ last_status: 200 })
    expect(await deliveryOf(posthorn, await submit(hostile.url))).toMatchObject({
      status: 'delivered',
      last_status: 202,
    })
  })

  test.each([
    ['-1', 0, 60],
    ['soon', 0, 60],
    ['1e9', 0, 60],
    ['99999999999999999999', 60, 86_400],
    ['Thu, 01 Jan 2099 00:00:00 GMT', 60, 86_400],
    ['0x10', 0, 60],
  ])('asks to wait %j waits from %i to %i s', async (retryAfter, fromS, toS) => {
    await using hostile = await startHostile((socket) => socket.end(response(503, '', `retry-after: ${retryAfter}`)))
    const tried = ({ attempts }: DeliveryBody): boolean => attempts.length > 0
    const { attempts } = await deliveryOf(posthorn, await submit(hostile.url), tried)
    const { next_attempt_at: next, started_at: started } = attempts[0] as AttemptBody
    const waitS = (Date.parse(next ?? '') - Date.parse(started)) / 1000
    expect(waitS).toBeGreaterThanOrEqual(fromS)
    expect(waitS).toBeLessThan(toS + 60)
  })

  test('sends what is no text has it stored and shown as text that does nothing', async () => {
    const body = Buffer.concat([
      Buffer.from('\0\u001b[31m<script>alert(1)</script>"\\ü'),
      Buffer.from([0xff, 0xfe, 0xc0]),
    ])
    await using hostile = await startHostile((socket) =>
      socket.end(
        Buffer.concat([Buffer.from(`${OK}x-a: <b>\xff\r\ncontent-length: ${body.length}\r\n\r\n`, 'latin1'), body]),
      ),
    )
    const { id } = await deliveryOf(posthorn, await submit(hostile.url))
    const shown = await posthorn.api(`/v1/deliveries/${id}`)
    const text = await shown.text()
    expect(shown.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(shown.headers.get('x-content-type-options')).toBe('nosniff')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that must not be there.
    expect(text).not.toMatch(/[\x00-\x1f\x7f]/)
    const [attempt] = (JSON.parse(text) as DeliveryBody).attempts
    expect(attempt?.response_body).toBe(body.toString('utf8'))
  })
})
