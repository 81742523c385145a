import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createAdaptorServer, type WebSocketServerLike } from '@hono/node-server'
import { WebSocketServer } from 'ws'
import { EX_UNAVAILABLE, StartError } from '../errors.ts'

/** Answers requests; replaced once the service is ready for them. */
export type Fetch = (request: Request, env: object) => Response | Promise<Response>

export interface HttpServer {
  port: number
  /** From now on requests go here. */
  serve(fetch: Fetch): void
  /** Takes no more connections and closes idle ones. */
  stopAccepting(): void
  /** Resolves when the last connection is closed; those still open are cut. */
  close(): Promise<void>
}

/** Clients have nothing to say on our WebSockets. */
const MAX_MESSAGE_BYTES = 1024
/** Who was let go at the end gets its answer within this time. */
const LAST_ANSWERS_MS = 2000
const CLOSE_POLL_MS = 20
// Node waits 60 and 300 s. Bodies that are not uploads have a limit of their own (body.ts).
const HEADERS_TIMEOUT_MS = 10_000
/** An upload of 100 MiB gets by at 1 Mbit/s. */
const REQUEST_TIMEOUT_MS = 900_000
/** Longer than the usual idle time of proxies, so that they and not we close a connection they are about to use. */
const KEEP_ALIVE_MS = 75_000

/** Binds the port; until `serve`, requests get 503. @throws StartError when the port cannot be had */
export async function listen(port: number, host: string): Promise<HttpServer> {
  let handler: Fetch = () => starting.clone()
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  const websocket = { server: sockets as WebSocketServerLike }
  const fetch = (request: Request, env: object) => handler(request, env)
  const server = createAdaptorServer({ fetch, createServer: ignoringHost, websocket }) as Server
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

/** Nothing here goes by the Host header, so one that is not a host is no reason to refuse a request. */
const ignoringHost = ((options: ServerOptions, listener: RequestListener) =>
  createServer({ ...options, shouldUpgradeCallback: isWebSocket }, (request, response) => {
    request.headers.host = 'localhost'
    return listener(request, response)
  })) as typeof createServer
