import { createServer } from 'node:net'
import tls from 'node:tls'
import { expect, test } from 'vitest'
import { serveDns } from './dns-server.ts'
import { clientFor, listen, type Reaction, type Receiver, receive, requestTo, response } from './receivers.ts'
import { cert, key } from './tls-fixture.ts'

const trusted = tls.getCACertificates('default')

function receiveTls(react: Reaction, options: tls.TlsOptions = {}): Promise<Receiver> {
  const server = tls.createServer({ key, cert, ...options })
  server.on('tlsClientError', () => {})
  return receive(react, server)
}

const answer: Reaction = (socket) => socket.write(response(200))

test('a self-signed certificate is a TLS error and no request is sent', async () => {
  const { port, requests } = await receiveTls(answer)
  const { outcome } = await clientFor([port]).send(requestTo(`https://127.0.0.1:${port}/`))
  expect(outcome).toMatchObject({ kind: 'error', class: 'tls' })
  expect(outcome).toMatchObject({ text: 'DEPTH_ZERO_SELF_SIGNED_CERT: self-signed certificate' })
  expect(requests).toEqual([])
})

test('NODE_TLS_REJECT_UNAUTHORIZED=0 changes nothing', async () => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  const { port } = await receiveTls(answer)
  const { outcome } = await clientFor([port]).send(requestTo(`https://127.0.0.1:${port}/`))
  delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  expect(outcome).toMatchObject({ kind: 'error', class: 'tls' })
})

test.each([
  ['speaks plain HTTP', createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')), 'tls'],
  ['stalls in the handshake', createServer(() => {}), 'timeout'],
  ['hangs up in the handshake', createServer((socket) => socket.destroy()), 'reset'],
])('a receiver that %s', async (_title, server, errorClass) => {
  const port = await listen(server)
  const { outcome } = await clientFor([port]).send(requestTo(`https://127.0.0.1:${port}/`, { timeoutMs: 300 }))
  expect(outcome).toMatchObject({ kind: 'error', class: errorClass })
  expect(outcome.kind === 'error' && outcome.text).toMatch(/^[\x20-\x7e]{10,100}$/)
})

test('TLS 1.0 is refused', async () => {
  const { port } = await receiveTls(answer, { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' })
  const { outcome } = await clientFor([port]).send(requestTo(`https://127.0.0.1:${port}/`))
  expect(outcome).toMatchObject({ kind: 'error', class: 'tls' })
})

test('a trusted certificate is kept to its name, its connection is kept, and a stale one replaced', async () => {
  tls.setDefaultCACertificates([...trusted, cert])
  const receiver = await receiveTls((socket, no, connection) =>
    connection === 1 && no === 3 ? socket.destroy() : socket.write(response(200)),
  )
  const { address } = await serveDns({ 'receiver.example': ['127.0.0.1'], 'other.example': ['127.0.0.1'] })
  const client = clientFor([receiver.port], { dnsServers: [address] })
  const send = (host: string) => client.send(requestTo(`https://${host}:${receiver.port}/`))

  const first = await send('receiver.example')
  expect(first.outcome).toMatchObject({ kind: 'answer', status: 200 })
  const numbers = { dns: expect.any(Number), connect: expect.any(Number), tls: expect.any(Number) }
  expect(first.phases).toMatchObject({ ...numbers, firstByte: expect.any(Number) })
  const second = await send('receiver.example')
  expect(second.phases).toMatchObject({ dns: null, connect: null, tls: null })
  expect(receiver.connections).toBe(1)

  expect((await send('receiver.example')).outcome).toMatchObject({ kind: 'answer', status: 200 })
  expect([receiver.connections, receiver.requests.length]).toEqual([2, 4])

  const wrongName = (await send('other.example')).outcome
  expect(wrongName).toMatchObject({ class: 'tls', text: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID') })
  tls.setDefaultCACertificates(trusted)
})
