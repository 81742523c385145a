import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

// A receiver of callbacks to start from: WEBHOOK_SECRET=whsec_… npm run receiver -- 9000

const port = Number(process.argv[2] ?? 9000)
const secret = process.env.WEBHOOK_SECRET
if (!secret) {
  console.error('WEBHOOK_SECRET is missing: give it the signing secret (whsec_…) that the first start showed.')
  process.exit(1)
}
const webhook = new Webhook(secret)
/** Ids that were handled. In earnest: a table, written in the transaction that does the work. */
const handled = new Set<string>()

const server = createServer(async (request, response) => {
  // The signature is about the body as it was sent: verify the raw text first, parse it after.
  const body = await text(request)
  const headers = request.headers as Record<string, string>
  try {
    webhook.verify(body, headers)
  } catch (error) {
    console.log(`refused: ${(error as Error).message}`)
    return response.writeHead(400).end()
  }
  const names = Object.keys(headers).filter((name) => name.startsWith('webhook-'))
  console.log(`\n${names.map((name) => `${name}: ${headers[name]}`).join('\n')}\n${body}`)
  // Delivery is at least once, so work that must be done once goes by the id.
  const id = headers['webhook-id'] as string
  console.log(handled.has(id) ? 'verified, but known: nothing to do' : 'verified, new')
  handled.add(id)
  return response.writeHead(204).end()
})
server.listen(port, '127.0.0.1', () => console.log(`listening; callback_url: http://127.0.0.1:${port}/hooks`))
