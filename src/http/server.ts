import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createAdaptorServer, type WebSocketServerLike } from '@hono/node-server'
import { WebSocketServer } from 'ws'
import { EX_UNAVAILABLE, StartError } from '../errors.ts'
import { type Connections, limitConnections } from './connections.ts'

/** Answers requests; replaced once the service is ready for them. `overloaded`: with a refusal, before all else. */
export type Fetch = (request: Request, env: { overloaded: boolean }) => Response | Promise<Response>

export interface HttpServer {
  port: number
  /** From now on requests go here. */
  serve(fetch: Fetch): void
  /** Takes no more connections and closes idle ones. */
  stopAccepting(): void
  /** Resolves when the last connection is closed; those still open are cut. */
  close(): Promise<void>
}

interface Limit {
  connections?: Connections
  /** Requests that came when there was no room. */
  refused: WeakSet<IncomingMessage>
}

/** Clients have nothing to say on our WebSockets. */
const MAX_MESSAGE_BYTES = 1024
/** Who was let go at the end gets its answer within this time. */
const LAST_ANSWERS_MS = 2000
const CLOSE_POLL_MS = 20
// Node waits 60 and 300 s. Bodies that are not uploads have a limit of their own (body.ts).
const HEADERS_TIMEOUT_MS = 10_000
/** How exact these are; Node looks each 30 s. */
const TIMEOUTS_CHECK_MS = 1000
/** All of a request's together; what is longer is answered 431. */
const MAX_HEADER_BYTES = 16 * 1024
/** Fields of a request; with more it is answered 431. */
const MAX_HEADERS = 200
/** A peer that is silent this long is asked whether it is still there. */
const PROBE_AFTER_MS = 30_000
/** An upload of 100 MiB gets by at 1 Mbit/s. */
const REQUEST_TIMEOUT_MS = 900_000
/** Longer than the usual idle time of proxies, so that they and not we close a connection they are about to use. */
const KEEP_ALIVE_MS = 75_000

/**
 * Binds the port; until `serve`, requests get 503.
 * @param maxConnections Also how many requests may be under way
 * @throws StartError when the port cannot be had
 */
export async function listen(port: number, host: string, maxConnections: number): Promise<HttpServer> {
  let handler: Fetch = () => starting.clone()
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  const websocket = { server: sockets as WebSocketServerLike }
  const limit: Limit = { refused: new WeakSet() }
  const fetch = (request: Request, env: object) => {
    const { incoming } = env as { incoming?: IncomingMessage }
    const overloaded = incoming !== undefined && limit.refused.has(incoming)
    // The same object: the adapter finds there what an upgrade left in it.
    return handler(request, Object.assign(env, { overloaded }))
  }
  const server = createAdaptorServer({ fetch, createServer: serverOf(limit), websocket }) as Server
  limit.connections = limitConnections(server, maxConnections)
  server.maxHeadersCount = MAX_HEADERS
  server.headersTimeout = HEADERS_TIMEOUT_MS
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EADDRINUSE' ? 'another process listens there' : message
    throw new StartError(
      `Cannot listen on ${host}:${port}: ${reason}. POSTHORN_PORT chooses another port.`,
      EX_UNAVAILABLE,
    )
  }
  return {
    port: (server.address() as AddressInfo).port,
    serve: (app) => {
      handler = app
    },
    stopAccepting: () => {
      server.close()
      server.closeIdleConnections()
    },
    close: async () => {
      let open = true
      server.close(() => {
        open = false
      })
      const give = performance.now() + LAST_ANSWERS_MS
      while (open && performance.now() < give) {
        server.closeIdleConnections()
        await delay(CLOSE_POLL_MS)
      }
      server.closeAllConnections()
      for (const socket of sockets.clients) socket.terminate()
    },
  }
}

/** Before the service has a URL of its own, so without the links of other problems. */
const starting = new Response('{"title":"Starting","status":503,"code":"unavailable"}', {
  status: 503,
  headers: { 'content-type': 'application/problem+json', 'retry-after': '1' },
})

/** Anything else (h2c of Java's HttpClient and of `curl --http2`) is ignored, as RFC 9110 §7.8 has it, and answered. */
const isWebSocket = (request: IncomingMessage): boolean =>
  request.headers.upgrade?.toLowerCase() === 'websocket' && /^\/v1\/jobs\/[^/]+\/ws(?:\?|$)/.test(request.url ?? '')

/** To be told how the process is, when it is overloaded too: who watches must not take it for dead. */
const OF_WATCHERS = new Set(['/healthz', '/readyz', '/metrics'])

const options = {
  connectionsCheckingInterval: TIMEOUTS_CHECK_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  keepAlive: true,
  keepAliveInitialDelay: PROBE_AFTER_MS,
} satisfies ServerOptions

/** Nothing here goes by the Host header, so one that is not a host is no reason to refuse a request. */
function ignoreHost(request: IncomingMessage): void {
  request.headers.host = 'localhost'
}

function serverOf(limit: Limit): typeof createServer {
  const isRoom = (request: IncomingMessage): boolean => {
    if (!isWebSocket(request)) return false
    ignoreHost(request)
    // Without room it is a request like any other, and answered like that.
    return limit.connections?.hold(request.socket) === true
  }
  return ((given: ServerOptions, listener: RequestListener) =>
    createServer({ ...given, ...options, shouldUpgradeCallback: isRoom }, (request, response) => {
      if (limit.connections?.begin(request, response) === false && !OF_WATCHERS.has(request.url ?? '')) {
        limit.refused.add(request)
        response.shouldKeepAlive = false
      }
      ignoreHost(request)
      return listener(request, response)
    })) as typeof createServer
}
