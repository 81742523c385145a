import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

// A receiver of callbacks to start from: PORT=9000 WEBHOOK_SECRET=whsec_… node receiver.ts

/** More than Posthorn sends: `data` of up to 1 MiB and what is around it. */
const MAX_BODY_BYTES = 2 * 1024 * 1024
const MAX_REMEMBERED = 100_000

const { PORT = '9000', WEBHOOK_SECRET = '' } = process.env
if (WEBHOOK_SECRET === '') {
  console.error('WEBHOOK_SECRET is missing: the whsec_… of the endpoint, or of the tenant for a callback_url.')
  process.exit(1)
}
const webhook = new Webhook(WEBHOOK_SECRET)

/** Ids of what was handled. In earnest: a table where the id is unique, written in the transaction that does the work. */
const handled = new Set<string>()

/** Does the work, or puts it where it is safe to be done later: the sender waits for 15 s at most. */
function handle(id: string, body: string): void {
  const event = JSON.parse(body) as { type: string; data: unknown }
  console.log(`handled ${id} ${event.type}\n${body}`)
}

/** The status to answer with. */
async function receive(request: IncomingMessage): Promise<number> {
  if (request.method !== 'POST') return 405
  const body = await readBody(request)
  if (body === null) return 413
  const headers = request.headers as Record<string, string>
  try {
    // Over the body as it came: JSON that was parsed and written again is other bytes.
    webhook.verify(body, headers, { jsonParse: false })
  } catch (error) {
    console.error(`refused: ${(error as Error).message}`)
    return 401
  }
  const id = headers['webhook-id'] as string
  // Delivery is at least once: an answer can get lost, and a replay comes with the same id.
  if (!handled.has(id)) {
    handle(id, body)
    remember(id)
  }
  return 204
}

function remember(id: string): void {
  handled.add(id)
  const [oldest] = handled
  if (handled.size > MAX_REMEMBERED && oldest !== undefined) handled.delete(oldest)
}

/** Null when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const server = createServer({ requestTimeout: 10_000 }, async (request, response) => {
  const status = await receive(request).catch((error: unknown) => {
    console.error(error)
    return 500 // and the sender tries again
  })
  response.writeHead(status, status === 413 ? { connection: 'close' } : {}).end()
})
server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
// No more connections; those that are idle are closed, requests under way are answered.
process.once('SIGTERM', () => server.close())
