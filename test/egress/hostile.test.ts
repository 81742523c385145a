import { createServer, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { clientFor, drip, flood, listen, postTo, type Reaction, receive, requestTo, response } from './receivers.ts'

const timeoutMs = 300
const headers = 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n'

describe('a receiver that keeps the slot is left at the deadline', () => {
  test.each<[string, Reaction, object]>([
    ['accepts and never answers', () => {}, { kind: 'error', class: 'timeout' }],
    ['sends its headers byte by byte', (socket) => startHeaders(socket), { kind: 'error', class: 'timeout' }],
    ['sends its body byte by byte', (socket) => startBody(socket), { kind: 'answer', status: 200 }],
    [
      'sends only 100 Continue',
      (socket) => socket.write('HTTP/1.1 100 X\r\n\r\n'),
      { kind: 'error', class: 'timeout' },
    ],
  ])('%s', async (_title, react, expected) => {
    const { outcome, phases, truncated, closed } = await postTo(react, { timeoutMs })
    expect(outcome).toMatchObject(expected)
    expect(outcome.kind === 'answer' ? outcome.note : outcome.text).toMatch(/^ETIMEDOUT: not complete within 300 ms, /)
    expect(truncated).toBe(outcome.kind === 'answer')
    expect(phases.total).toBeGreaterThanOrEqual(timeoutMs - 1)
    expect(phases.total).toBeLessThan(timeoutMs + 1000)
    await closed(1)
  })

  test('does not read what is sent to it', async () => {
    const { port } = await receive((socket) => socket.pause())
    // More than the socket buffers of both sides hold.
    const body = Buffer.alloc(16 * 1024 * 1024)
    const { outcome } = await clientFor([port]).send(requestTo(port, { timeoutMs: 1000, body }))
    expect(outcome).toMatchObject({ class: 'timeout', text: expect.stringContaining('sending the request') })
  })

  test('while others wait for their turn, and are told so', async () => {
    const receiver = await receive(() => {})
    const client = clientFor([receiver.port], { maxSocketsPerOrigin: 1 })
    const [first, second] = await Promise.all([
      client.send(requestTo(receiver.port, { timeoutMs: 2 * timeoutMs })),
      client.send(requestTo(receiver.port, { timeoutMs })),
    ])
    expect(first.outcome).toMatchObject({ class: 'timeout', text: expect.stringContaining('waiting for the answer') })
    expect(second.outcome).toMatchObject({ text: expect.stringContaining('waiting for a free connection') })
    expect(receiver.requests).toHaveLength(1)
  })
})

describe('a receiver that floods is cut off early', () => {
  test('an endless body is read up to the limit', async () => {
    const { outcome, body, truncated, phases, closed } = await postTo((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      flood(socket, Buffer.alloc(65_536, 'x'))
    })
    expect(outcome).toMatchObject({ kind: 'answer', status: 200, note: expect.stringContaining('16384') })
    expect([body.length, truncated]).toEqual([16_384, true])
    expect(phases.total).toBeLessThan(2500)
    await closed(1)
  })

  test('interim responses are counted', async () => {
    const many = 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'
    const few = await postTo((socket) => socket.end(many.repeat(100) + response(200)))
    expect(few.outcome).toMatchObject({ kind: 'answer', status: 200 })
    const { outcome, phases, closed } = await postTo((socket) => flood(socket, many.repeat(1000)))
    expect(outcome).toEqual({ kind: 'error', class: 'protocol', text: 'more than 100 interim (1xx) responses' })
    expect(phases.total).toBeLessThan(2500)
    await closed(1)
  })

  test.each([
    ['one of 20 KB', `x: ${'y'.repeat(20_000)}\r\n`],
    ['5,000 of them', 'x: yyy\r\n'.repeat(5000)],
  ])('headers: %s', async (_title, lines) => {
    const { outcome } = await postTo((socket) => socket.end(`HTTP/1.1 200 OK\r\n${lines}\r\n`))
    expect(outcome).toMatchObject({ class: 'protocol', text: expect.stringContaining('HPE_HEADER_OVERFLOW') })
  })
})

describe('a receiver that does not speak HTTP is a protocol error', () => {
  test.each([
    ['a 101 with an upgrade', 'HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
    ['a 101 without one', 'HTTP/1.1 101 X\r\n\r\n'],
    ['status 000', 'HTTP/1.1 000 X\r\ncontent-length: 0\r\n\r\n'],
    ['HTTP/0.9', '<html>hello</html>'],
    ['an SSH banner', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['content-length and transfer-encoding', `${headers.trimEnd()}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two content-lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'],
    ['a negative content-length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
    ['NUL and ESC in a header', 'HTTP/1.1 200 OK\r\nx: \0\u001b[31m\r\n\r\n'],
  ])('%s', async (_title, bytes) => {
    const { outcome, closed } = await postTo((socket) => socket.write(bytes), { timeoutMs: 2000 })
    expect(outcome).toMatchObject({ kind: 'error', class: 'protocol' })
    expect(outcome.kind === 'error' && outcome.text).toMatch(/^[\x20-\x7e]{10,200}$/)
    await closed(1)
  })
})

describe('a connection that breaks', () => {
  test('before any answer is a reset, tried once', async () => {
    const { outcome, connections } = await postTo((socket) => socket.resetAndDestroy())
    expect(outcome).toMatchObject({ kind: 'error', class: 'reset', text: expect.stringContaining('ECONNRESET') })
    expect(connections).toBe(1)
  })

  test('by an early end is a reset', async () => {
    const { outcome } = await postTo((socket) => socket.end())
    expect(outcome).toEqual({ kind: 'error', class: 'reset', text: 'ECONNRESET: socket hang up' })
  })

  test.each<[string, (socket: Socket) => void]>([
    ['by a reset', (socket) => socket.write(`${headers}12345`, () => socket.resetAndDestroy())],
    ['by a short body', (socket) => socket.end(`${headers}12345`)],
  ])('after the headers %s is an answer with a note', async (_title, react) => {
    const { outcome, body, truncated } = await postTo(react)
    expect(outcome).toMatchObject({ kind: 'answer', status: 200, note: expect.stringMatching(/^(Parse Error|E|HPE_)/) })
    expect([body.toString(), truncated]).toEqual(['12345', true])
  })

  test('by a broken chunk after the headers is an answer with a note', async () => {
    const { outcome, truncated } = await postTo((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n'),
    )
    const note = expect.stringMatching(/^HPE_INVALID_CHUNK_SIZE: /)
    expect([outcome, truncated]).toEqual([expect.objectContaining({ status: 200, note }), true])
  })

  test('before it exists is a refusal', async () => {
    const server = createServer()
    const port = await listen(server)
    await new Promise((closed) => server.close(closed))
    const { outcome, remoteAddress } = await clientFor([port]).send(requestTo(port))
    expect(outcome).toEqual({ kind: 'error', class: 'connect', text: `ECONNREFUSED 127.0.0.1:${port}` })
    expect(remoteAddress).toBeNull()
  })
})

describe('a kept connection', () => {
  test('is used again after an answer that was read to its end, and only then', async () => {
    const receiver = await receive((socket) => socket.write(response(200, 'x'.repeat(50))))
    const client = clientFor([receiver.port])
    await client.send(requestTo(receiver.port))
    await client.send(requestTo(receiver.port))
    expect(receiver.connections).toBe(1)
    await client.send(requestTo(receiver.port, { maxBytes: 10 }))
    await client.send(requestTo(receiver.port))
    expect(receiver.connections).toBe(2)
  })

  test('does not gather listeners', async () => {
    const { port } = await receive((socket) => socket.write(response(200)))
    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    const client = clientFor([port])
    for (let requestNo = 0; requestNo < 20; requestNo += 1) await client.send(requestTo(port))
    process.off('warning', warn)
    expect(warnings).toEqual([])
  })

  test('that the receiver closes unseen costs a second connection, not the attempt', async () => {
    const receiver = await receive((socket, no, connection) =>
      connection === 1 && no === 2 ? socket.resetAndDestroy() : socket.write(response(200)),
    )
    const client = clientFor([receiver.port])
    await client.send(requestTo(receiver.port))
    const { outcome } = await client.send(requestTo(receiver.port))
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 })
    expect([receiver.connections, receiver.requests.length]).toEqual([2, 3])
  })

  test('that the receiver closes unseen, with all others of the pool, costs one connection more', async () => {
    const receiver = await receive((socket, no) => (no === 2 ? socket.resetAndDestroy() : socket.write(response(200))))
    const client = clientFor([receiver.port])
    await Promise.all([client.send(requestTo(receiver.port)), client.send(requestTo(receiver.port))])
    expect(receiver.connections).toBe(2)
    const { outcome } = await client.send(requestTo(receiver.port))
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 })
    expect(receiver.connections).toBe(3)
  })

  test('that breaks within an answer is not tried again', async () => {
    const receiver = await receive((socket, no) =>
      no === 2 ? socket.write('HTTP/1.1 20', () => socket.resetAndDestroy()) : socket.write(response(200)),
    )
    const client = clientFor([receiver.port])
    await client.send(requestTo(receiver.port))
    const { outcome } = await client.send(requestTo(receiver.port))
    expect(outcome).toMatchObject({ kind: 'error', class: 'reset' })
    expect(receiver.connections).toBe(1)
  })

  test('that was reset twice is given up, within one deadline', async () => {
    const receiver = await receive((socket, no, connection) =>
      connection === 1 && no === 1 ? socket.write(response(200)) : socket.resetAndDestroy(),
    )
    const client = clientFor([receiver.port])
    await client.send(requestTo(receiver.port))
    const { outcome } = await client.send(requestTo(receiver.port))
    expect(outcome).toMatchObject({ kind: 'error', class: 'reset' })
    expect([receiver.connections, receiver.requests.length]).toEqual([2, 3])
  })

  test('with a second response in the same packet answers the next request with its own', async () => {
    const receiver = await receive((socket, no, connection) =>
      socket.write(connection === 1 && no === 1 ? response(200) + response(500) : response(201)),
    )
    const client = clientFor([receiver.port])
    const outcomes = [await client.send(requestTo(receiver.port)), await client.send(requestTo(receiver.port))]
    expect(outcomes.map(({ outcome }) => outcome)).toMatchObject([{ status: 200 }, { status: 201 }])
  })

  test('with a response nobody asked for is dropped', async () => {
    const receiver = await receive((socket, _no, connection) => {
      socket.write(response(connection === 1 ? 200 : 201))
      if (connection === 1) setImmediate(() => socket.write(response(500)))
    })
    const client = clientFor([receiver.port])
    await client.send(requestTo(receiver.port))
    await receiver.closed(1)
    expect((await client.send(requestTo(receiver.port))).outcome).toMatchObject({ status: 201 })
  })
})

function startHeaders(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\nx: ')
  drip(socket, 'y')
}

function startBody(socket: Socket): void {
  socket.write(headers)
  drip(socket, 'y')
}
