// The bare loop: the smallest program with the same packages that takes the same requests and sends the same signed
// POSTs, and remembers nothing. What the service costs beyond it is what it does beyond it.
import { createHmac, randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { serve } from '@hono/node-server'
import got from 'got'
import { Hono } from 'hono'

const { values } = parseArgs({
  options: {
    secret: { type: 'string', default: '' },
    concurrency: { type: 'string', default: '64' },
    'accept-only': { type: 'boolean', default: false },
    // What the harness must notice: every hundredth job is dropped, sent twice, or signed wrongly.
    fault: { type: 'string', default: 'none' },
  },
})
const key = Buffer.from(values.secret.slice('whsec_'.length), 'base64')
const agent = { http: new Agent({ keepAlive: true, maxSockets: Number(values.concurrency) }) }
const endpoints = new Map<string, { url: string; event_types?: string[] }>()
let sent = 0

const newId = (prefix: string): string => `${prefix}_${randomBytes(16).toString('hex')}`

function post(url: string, id: string, body: string, signingKey: Buffer): void {
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = createHmac('sha256', signingKey).update(`${id}.${timestamp}.`).update(body).digest('base64')
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Posthorn/bare',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
    'webhook-attempt': '1',
    'webhook-max-attempts': '10',
    'webhook-hops': '1',
    traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`,
  }
  const options = { headers, body, agent, retry: { limit: 0 }, followRedirect: false, throwHttpErrors: false }
  got.stream.post(url, { ...options, decompress: false }).resume()
}

function send(url: string, id: string, body: string): void {
  sent += 1
  const fault = sent % 100 === 0 ? values.fault : 'none'
  if (fault !== 'drop') post(url, id, body, fault === 'forge' ? randomBytes(32) : key)
  if (fault === 'double') post(url, id, body, key)
}

interface Submission {
  type: string
  payload: unknown
  callback_url?: string
  callback?: { endpoint_id: string }
}

const links = (id: string) =>
  ['', '/status', '/result', '/events', '/cancel'].map((path) => ({
    href: `http://127.0.0.1/v1/jobs/${id}${path}`,
    rel: path.slice(1) || 'self',
    method: 'GET',
  }))

const app = new Hono()
app.post('/v1/jobs', async (c) => {
  const { type, payload, callback_url, callback } = await c.req.json<Submission>()
  const id = newId('job')
  const created_at = new Date().toISOString()
  const job = { id, type, priority: 5, max_attempts: 3, created_at, run_at: created_at, links: links(id), metadata: {} }
  const url = callback_url ?? endpoints.get(callback?.endpoint_id ?? '')?.url
  if (url !== undefined && !values['accept-only']) {
    const times = { started_at: created_at, finished_at: created_at, estimated_completion: null, expires_at: null }
    const data = { ...job, status: 'completed', progress: 100, message: null, ...times, error: null, result: payload }
    send(url, newId('evt'), JSON.stringify({ type: 'job.completed', timestamp: created_at, data }))
  }
  return c.json(job, 202)
})
app.post('/v1/events', async (c) => {
  const { type, data } = await c.req.json<{ type: string; data: unknown }>()
  const id = newId('evt')
  const timestamp = new Date().toISOString()
  const body = JSON.stringify({ type, timestamp, data })
  const to = [...endpoints.values()].filter(({ event_types }) => event_types?.includes(type))
  for (const { url } of to) send(url, id, body)
  return c.json({ id, type, timestamp, deliveries: to.length, links: [] }, 202)
})
app.post('/v1/endpoints', async (c) => {
  const id = newId('ep')
  endpoints.set(id, await c.req.json())
  return c.json({ id }, 201)
})

const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) => {
  process.stdout.write(`${JSON.stringify({ event: 'service.started', url: `http://127.0.0.1:${port}` })}\n`)
})
process.on('SIGTERM', () => {
  server.close()
  process.exit()
})
