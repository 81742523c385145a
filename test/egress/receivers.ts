import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { EgressClientOptions } from '../../src/egress/client.ts'
import {
  createEgressClient,
  type EgressClient,
  type EgressRequest,
  type EgressResult,
} from '../../src/egress/client.ts'
import { parseEgressAllow } from '../../src/egress/judge.ts'

/** What a receiver does when a request's header block is complete. */
export type Reaction = (socket: Socket, requestNo: number, connectionNo: number) => void

export interface Receiver {
  port: number
  /** The header block of every request so far, in order, with what had arrived of its body. */
  requests: string[]
  connections: number
  /** Resolves when the nth connection (from 1) has ended, whoever ended it. */
  closed(connectionNo: number): Promise<unknown>
}

/** A server that speaks bytes, not HTTP, for as long as the test runs. */
export async function receive(react: Reaction, server: Server = createServer()): Promise<Receiver> {
  const ends: Promise<unknown>[] = []
  const receiver: Receiver = { port: 0, requests: [], connections: 0, closed: async (no) => ends[no - 1] }
  server.on(server.listenerCount('tlsClientError') ? 'secureConnection' : 'connection', (socket: Socket) => {
    const connectionNo = ++receiver.connections
    let perConnection = 0
    socket.on('error', () => {})
    ends.push(new Promise((resolve) => socket.once('close', resolve)))
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      if (!text.includes('HTTP/1.1\r\n')) return
      receiver.requests.push(text)
      react(socket, ++perConnection, connectionNo)
    })
  })
  receiver.port = await listen(server)
  return receiver
}

/** Listens on a free loopback port until the test ends, and returns it. */
export async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** An egress client that may reach exactly these ports of 127.0.0.1, until the test ends. */
export function clientFor(ports: number[], options: Partial<EgressClientOptions> = {}): EgressClient {
  const allow = parseEgressAllow(ports.map((port) => `127.0.0.1/32:${port}`).join())
  const client = createEgressClient({ allow, ...options })
  onTestFinished(() => client.close())
  return client
}

export function requestTo(target: number | string, overrides: Partial<EgressRequest> = {}): EgressRequest {
  const url = typeof target === 'string' ? target : `http://127.0.0.1:${target}/hook`
  return { method: 'POST', url, headers: {}, body: '{"a":1}', timeoutMs: 5000, maxBytes: 16_384, ...overrides }
}

/** One request by a client of its own to a receiver that does this. */
export async function postTo(
  react: Reaction,
  overrides: Partial<EgressRequest> = {},
): Promise<EgressResult & Receiver> {
  const receiver = await receive(react)
  const result = await clientFor([receiver.port]).send(requestTo(receiver.port, overrides))
  return Object.assign(receiver, result)
}

/** A complete response with this status line and header lines. */
export function response(status: number | string, body = '', ...headers: string[]): string {
  const lines = [`HTTP/1.1 ${status} X`, `content-length: ${body.length}`, ...headers]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** Writes the same again and again as fast as the other side reads. */
export function flood(socket: Socket, chunk: string | Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', more)
  more()
}

/** One byte every 20 ms, for ever: no gap is long enough for an idle timeout. */
export function drip(socket: Socket, byte: string): void {
  const timer = setInterval(() => socket.write(byte), 20)
  socket.on('close', () => clearInterval(timer))
}
