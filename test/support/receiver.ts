import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

/** A request that a receiver got, as raw as it came. */
export interface Hit {
  headers: IncomingHttpHeaders
  path: string
  body: string
  at: number
}

export type Answer = (hit: Hit, response: ServerResponse, count: number) => void

/** A receiver of callbacks that answers as it is told and remembers everything. */
export interface Receiver extends AsyncDisposable {
  url: string
  port: number
  hits: Hit[]
  /** From now on requests are answered so. `count` is how many came before this one. */
  answer: Answer
  /** Resolves with the hits when there are `count` that fulfil the condition; rejects after `timeoutMs`. */
  waitFor(count: number, matches?: (hit: Hit) => boolean, timeoutMs?: number): Promise<Hit[]>
}

export async function startReceiver(port = 0): Promise<Receiver> {
  const waiters = new Set<() => void>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      const hit = { headers: request.headers, path: request.url ?? '', body, at: Date.now() }
      receiver.hits.push(hit)
      receiver.answer(hit, response, receiver.hits.length - 1)
      for (const look of waiters) look()
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: bound } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    hits: [],
    answer: (_hit, response) => response.end('ok'),
    waitFor: (count, matches = () => true, timeoutMs = 10_000) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = receiver.hits.filter(matches)
          if (found.length < count) return
          finish()
          resolve(found)
        }
        const timer = setTimeout(() => {
          finish()
          reject(new Error(`the receiver got ${receiver.hits.filter(matches).length} of ${count} requests`))
        }, timeoutMs)
        const finish = (): void => {
          clearTimeout(timer)
          waiters.delete(look)
        }
        waiters.add(look)
        look()
      }),
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return receiver
}

/** Answers with one status, always. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (_hit, response) => response.writeHead(code, headers).end()
}

/** What the official library says of a hit; throws when the signature is wrong. */
export function verified(hit: Hit, secret: string): { type: string; timestamp: string; data: Record<string, unknown> } {
  return new Webhook(secret).verify(hit.body, hit.headers as Record<string, string>) as ReturnType<typeof verified>
}
