import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { EX_UNAVAILABLE, StartError } from '../errors.ts'

/** Answers requests; replaced once the service is ready for them. */
export type Fetch = (request: Request) => Response | Promise<Response>

export interface HttpServer {
  port: number
  /** From now on requests go here. */
  serve(fetch: Fetch): void
  /** Takes no more connections and closes idle ones. */
  stopAccepting(): void
  /** Resolves when the last connection is closed; those still open are cut. */
  close(): Promise<void>
}

// Node waits 60 and 300 s; a client that needs longer than these for its headers or body is not one.
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 120_000
/** Longer than the usual idle time of proxies, so that they and not we close a connection they are about to use. */
const KEEP_ALIVE_MS = 75_000

/** Binds the port; until `serve`, requests get 503. @throws StartError when the port cannot be had */
export async function listen(port: number, host: string): Promise<HttpServer> {
  let handler: Fetch = () => new Response('starting', { status: 503, headers: { 'retry-after': '1' } })
  const server = createAdaptorServer({
    fetch: (request: Request) => handler(request),
    createServer: ignoringHost,
  }) as Server
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
    serve: (fetch) => {
      handler = fetch
    },
    stopAccepting: () => {
      server.close()
      server.closeIdleConnections()
    },
    close: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Nothing here goes by the Host header, so one that is not a host is no reason to refuse a request. */
const ignoringHost = ((options: ServerOptions, listener: RequestListener) =>
  createServer(options, (request, response) => {
    request.headers.host = 'localhost'
    return listener(request, response)
  })) as typeof createServer
