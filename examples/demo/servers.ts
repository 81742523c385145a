import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { within } from './waiting.ts'

/** A server of the demo's own on a free port of this machine. */
export interface LocalServer {
  url: string
  port: number
}

async function serve(stack: AsyncDisposableStack, listener: RequestListener): Promise<LocalServer> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  stack.defer(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port }
}

/** Three services of a shop, each slow in its own way. */
export function startShop(stack: AsyncDisposableStack): Promise<LocalServer> {
  const answers: Record<string, { afterMs: number; body: object }> = {
    '/stock': { afterMs: 300, body: { sku: 'horn-1', in_stock: 7 } },
    '/price': { afterMs: 1500, body: { sku: 'horn-1', price: '249.00', currency: 'EUR' } },
    '/shipping': { afterMs: 2800, body: { days: 2, carrier: 'post' } },
  }
  return serve(stack, async (request, response) => {
    const { afterMs, body } = answers[request.url ?? ''] ?? { afterMs: 0, body: { error: 'unknown' } }
    await delay(afterMs)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
}

/** A callback as the receiver got it. */
export interface Callback {
  headers: IncomingHttpHeaders
  /** The raw body: the bytes the signature is about. */
  body: string
  event: { type: string; timestamp: string; data: Record<string, unknown> }
  /** What the receiver answered. */
  status: number
}

export interface Receiver extends LocalServer {
  /** What it answers next, in turn; then 204. */
  failures: number[]
  /** The `nth` callback about a job, when it is there. Only those with a right signature come in. */
  callback(jobId: string, nth: number): Promise<Callback>
}

/** A receiver that verifies each callback with the official library of Standard Webhooks. */
export async function startReceiver(stack: AsyncDisposableStack, secret: string): Promise<Receiver> {
  const webhook = new Webhook(secret)
  const news = new EventEmitter()
  const callbacks: Callback[] = []
  const failures: number[] = []
  let wrong: Error | null = null
  const server = await serve(stack, async (request, response) => {
    const body = await text(request)
    let status = 400
    try {
      const event = webhook.verify(body, request.headers as Record<string, string>) as Callback['event']
      status = failures.shift() ?? 204
      callbacks.push({ headers: request.headers, body, event, status })
    } catch (error) {
      wrong = error as Error
    }
    response.writeHead(status).end()
    news.emit('callback')
  })
  const callback = async (jobId: string, nth: number): Promise<Callback> => {
    for (;;) {
      if (wrong !== null) throw new Error(`a callback was not signed as it must be: ${wrong.message}`)
      const found = callbacks.filter(({ event }) => event.data.id === jobId)[nth - 1]
      if (found !== undefined) return found
      await within(`callback ${nth} of ${jobId}`, once(news, 'callback'))
    }
  }
  return { ...server, failures, callback }
}
