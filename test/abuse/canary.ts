import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Somebody reached a place; that is a hit, before a byte of HTTP. */
export interface CanaryHit {
  /** The address that was reached, IPv4 in its own form. */
  address: string
  port: number
  /** `POST /hook`, one for each request of the connection. */
  requests: string[]
  /** Names of the headers of the last request. */
  headers: string[]
}

/** Listens where nobody may call, answers everybody like a harmless server, and counts. */
export interface Canary extends AsyncDisposable {
  hits: CanaryHit[]
  /** The ports it is on. */
  ports: number[]
}

/**
 * `::` takes what comes for any address of this host, IPv4 and IPv6. A path `/503/…` is answered with that status,
 * and no connection is kept: each attempt has to find its way anew.
 */
export async function startCanary(ports: readonly number[], host = '127.0.0.1'): Promise<Canary> {
  const hits: CanaryHit[] = []
  const servers = await Promise.all(ports.map((port) => listen(port, host, hits)))
  return {
    hits,
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.close()
        server.closeAllConnections()
      }
    },
  }
}

async function listen(port: number, host: string, hits: CanaryHit[]): Promise<Server> {
  const bySocket = new WeakMap<object, CanaryHit>()
  const server = createServer((request, response) => {
    const hit = bySocket.get(request.socket)
    hit?.requests.push(`${request.method} ${request.url}`)
    if (hit) hit.headers = Object.keys(request.headers)
    const status = Number(/^\/(\d{3})\//.exec(request.url ?? '')?.[1] ?? 200)
    request.resume().on('end', () => response.writeHead(status, { connection: 'close' }).end('a canary sings'))
  })
  server.on('connection', (socket) => {
    const address = (socket.localAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    const hit = { address, port: socket.localPort ?? 0, requests: [], headers: [] }
    bySocket.set(socket, hit)
    hits.push(hit)
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(port, host)
  await once(server, 'listening')
  return server
}
