// The receiver, a process of its own: verifies each request, remembers what came when, and answers after as many ms as
// the query of the URL says.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import type { ReceiverCommand, ReceiverMessage, ReceiverReport } from './messages.ts'
import { monotonicMs } from './monotonic.ts'

/** Standard Webhooks 1.0.0: how far the timestamp may be off. */
const TOLERANCE_S = 300
const MAX_REFUSALS = 5
const PROGRESS_MS = 1

const { values } = parseArgs({ options: { secret: { type: 'string' } } })
const key = Buffer.from((values.secret ?? '').slice('whsec_'.length), 'base64')

const subjects: string[] = []
const webhookIds: string[] = []
const paths: string[] = []
const at: number[] = []
const refusals: string[] = []
let unverified = 0
let connections = 0

/** Null when it is right, otherwise what is wrong with it. */
function signatureFault({ headers }: IncomingMessage, body: Buffer): string | null {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature = '' } = headers
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return `the timestamp ${timestamp} is not of now`
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
  const right = String(signature)
    .split(' ')
    .filter((each) => each.startsWith('v1,'))
    .map((each) => Buffer.from(each.slice('v1,'.length), 'base64'))
    .some((each) => each.length === expected.length && timingSafeEqual(each, expected))
  return right ? null : `${id} is not signed with the secret: ${signature}`
}

function take(request: IncomingMessage, body: Buffer): void {
  const arrivedAt = monotonicMs()
  const fault = signatureFault(request, body)
  if (fault !== null) {
    unverified += 1
    if (refusals.length < MAX_REFUSALS) refusals.push(fault)
  }
  const webhookId = String(request.headers['webhook-id'])
  const { data } = JSON.parse(body.toString()) as { data: { id?: string } }
  subjects.push(data.id?.startsWith('job_') ? data.id : webhookId)
  webhookIds.push(webhookId)
  paths.push(request.url ?? '')
  at.push(arrivedAt)
  tellProgress()
}

function receive(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    take(request, Buffer.concat(chunks))
    const delayMs = Number(request.url?.split('?')[1] ?? 0)
    if (delayMs === 0) response.end('ok')
    else setTimeout(() => response.end('ok'), delayMs)
  })
}

const watchers = new Set<Socket>()
let told = false

/** How many came, to whoever bounds what is outstanding. */
function tellProgress(): void {
  if (told || watchers.size === 0) return
  told = true
  setTimeout(() => {
    told = false
    for (const watcher of watchers) watcher.write(`${at.length}\n`)
  }, PROGRESS_MS)
}

function watch(socket: Socket): void {
  watchers.add(socket.on('error', () => {}))
  socket.on('close', () => watchers.delete(socket))
  socket.write(`${at.length}\n`)
}

async function listening(server: Server | ReturnType<typeof createNetServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function report(): ReceiverReport {
  return { kind: 'report', subjects, webhookIds, paths, at: Float64Array.from(at), refusals, unverified, connections }
}

function tell(message: ReceiverMessage): void {
  process.send?.(message)
}

// The sender decides how long connections live.
const server = createServer({ keepAliveTimeout: 75_000 }, receive)
server.on('connection', () => {
  connections += 1
})
process.on('message', (command: ReceiverCommand) =>
  tell(command.kind === 'count' ? { kind: 'count', count: at.length } : report()),
)
process.on('disconnect', () => process.exit())
tell({
  kind: 'listening',
  port: await listening(server),
  progressPort: await listening(createNetServer(watch)),
})
