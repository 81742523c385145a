import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bad, failed, good, quote, say, step, title } from './demo/narrate.ts'
import { type Callback, type LocalServer, type Receiver, startReceiver, startShop } from './demo/servers.ts'
import { apiClient, type Call, keys, type ServiceProcess, startService } from './demo/service.ts'
import type { Attempt, DeadLetter, Delivery, Job } from './demo/shapes.ts'
import { check, poll } from './demo/waiting.ts'
import type { DocumentReport } from './document-report/index.ts'

// The whole loop in one terminal, with real parts: the service in its own process, a receiver that verifies
// signatures with the official library, real work, a real failure. Everything is on 127.0.0.1 and gone at the end.

const HANDLER = join(import.meta.dirname, 'document-report/index.ts')
const DOCUMENTS = join(import.meta.dirname, '../test/examples/documents')
/** How often the essay is repeated in the long document, to have something to watch. */
const REPEATS = 1000
/** Two waits are three attempts. The default schedule has ten attempts over three days. */
const RETRY_SCHEDULE = '500ms,1s'

interface Stage {
  call: Call
  receiver: Receiver
  shop: LocalServer
  service: ServiceProcess
}

async function run(stack: AsyncDisposableStack): Promise<void> {
  title('Posthorn: slow work is accepted at once and called back later, signed and retried.')
  const stage = await start(stack)
  await aggregate(stage)
  await report(stage)
  await replay(stage, await sufferOutage(stage))
  await stop(stage)
}

async function start(stack: AsyncDisposableStack): Promise<Stage> {
  step('Start the service, a receiver and a shop')
  const receiver = await startReceiver(stack, keys.signingSecret)
  const shop = await startShop(stack)
  const service = await startService(stack, {
    POSTHORN_HANDLERS: HANDLER,
    POSTHORN_RETRY_SCHEDULE: RETRY_SCHEDULE,
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiver.port},127.0.0.1/32:${shop.port}`,
  })
  say(`service   ${service.url}  (process ${service.pid}, SQLite in a temporary folder)`)
  say(`receiver  ${receiver.url}  (verifies with the package standardwebhooks)`)
  say(`shop      ${shop.url}  (three slow HTTP services)`)
  say('Private addresses are closed to callbacks and calls; POSTHORN_EGRESS_ALLOW opened these two ports.')
  return { call: apiClient(service.url), receiver, shop, service }
}

async function aggregate({ call, receiver, shop }: Stage): Promise<void> {
  step('Submit a job: ask three services at once (http.aggregate)')
  const names = ['stock', 'price', 'shipping']
  const job = {
    type: 'http.aggregate',
    payload: { calls: Object.fromEntries(names.map((name) => [name, { url: `${shop.url}/${name}` }])) },
    callback_url: `${receiver.url}/hooks`,
    metadata: { order: '42' },
  }
  const id = await submit(call, job, 'order-42')
  const again = await call<Job>('/v1/jobs', 202, { method: 'POST', json: job, headers: idempotent('order-42') })
  check(again.body.id === id, 'the same request makes no second job')
  quote(`the same again  → 202, idempotent-replayed: ${again.headers.get('idempotent-replayed')}, the same job`)
  await follow(call, id)
  const callback = await receiver.callback(id, 1)
  show(callback)
  quote(abridged(callback.body))
}

async function report(stage: Stage): Promise<void> {
  step("Submit documents to the operator's own handler (examples/document-report)")
  const pdf = await readFile(join(DOCUMENTS, 'post-horn.pdf'))
  await reportOne(stage, 'application/pdf', new Uint8Array(pdf), {})
  const essay = await readFile(join(DOCUMENTS, 'english.txt'), 'utf8')
  const long = new TextEncoder().encode(essay.repeat(REPEATS))
  await reportOne(stage, 'text/plain; charset=utf-8', long, { title: `The Retry, ${REPEATS} times over` })
}

async function reportOne(
  { call, receiver }: Stage,
  contentType: string,
  bytes: Uint8Array<ArrayBuffer>,
  options: { title?: string },
): Promise<void> {
  const headers = { 'content-type': contentType }
  const file = await call<{ id: string; size: number }>('/v1/files', 201, { method: 'POST', bytes, headers })
  quote(`POST /v1/files  → 201, ${file.body.id}, ${contentType}, ${file.body.size} bytes`)
  const payload = { file_id: file.body.id, key_terms: 5, ...options }
  const job = { type: 'document.report', payload, callback_url: `${receiver.url}/hooks` }
  const id = await submit(call, job, `report-${file.body.id}`)
  await follow(call, id)
  show(await receiver.callback(id, 1))
  const { document, language, statistics, key_terms } = (await call<DocumentReport>(`/v1/jobs/${id}/result`, 200)).body
  say(`"${document.title}", ${language.name}, ${statistics.words} words; about:`)
  say(key_terms.map(({ term, count }) => `${term} (${count})`).join(', '))
}

/** A job whose callback the receiver refuses until it is given up. */
interface Outage {
  jobId: string
  deliveryId: string
  /** The first callback of it that came. */
  first: Callback
}

async function sufferOutage({ call, receiver }: Stage): Promise<Outage> {
  step('Break the receiver: the work gets done, its callback cannot be delivered')
  receiver.failures.push(500, 503, 500)
  const job = { type: 'echo', payload: { hello: 'world' }, callback_url: `${receiver.url}/hooks` }
  const jobId = await submit(call, job, 'unlucky')
  const first = await receiver.callback(jobId, 1)
  for (const nth of [1, 2, 3]) refused(await receiver.callback(jobId, nth), first)
  const { callback } = (await call<Job>(`/v1/jobs/${jobId}`, 200)).body
  check(callback !== null, 'the job has a callback')
  const delivery = await readDelivery(call, callback.delivery_id, 'dead')
  quote(`GET /v1/deliveries/${delivery.id}`)
  for (const attempt of delivery.attempts) quote(`  ${attemptLine(attempt)}`)
  const { body: after } = await call<Job>(`/v1/jobs/${jobId}`, 200)
  say(`The schedule (${RETRY_SCHEDULE}, ±20 %) is used up.`)
  say(`The job is ${after.status}, its callback ${after.callback?.status}: the two are told apart.`)
  return { jobId, deliveryId: delivery.id, first }
}

async function replay({ call, receiver }: Stage, { jobId, deliveryId, first }: Outage): Promise<void> {
  step('Repair the receiver; the admin finds the dead letter and replays it')
  const admin = { key: keys.admin }
  const letters = await call<{ data: DeadLetter[] }>('/v1/admin/dead-letters?reason=exhausted', 200, admin)
  const letter = letters.body.data.find((one) => one.delivery_id === deliveryId)
  check(letter !== undefined, 'the delivery has a dead letter')
  quote(
    `GET /v1/admin/dead-letters → ${letter.reason} after ${letter.attempts} attempts, fingerprint ${letter.fingerprint}`,
  )
  await call(`/v1/admin/dead-letters/${letter.id}/replay`, 202, { ...admin, method: 'POST' })
  quote(`POST …/dead-letters/${letter.id}/replay → 202`)
  const again = await receiver.callback(jobId, 4)
  show(again)
  check(again.headers['webhook-id'] === first.headers['webhook-id'], 'a replay keeps the webhook-id')
  check(again.headers['webhook-replay'] === 'true', 'a replay says so')
  check(again.body === first.body, 'a replay has the same body')
  const delivery = await readDelivery(call, deliveryId, 'delivered')
  good('the same webhook-id and the same bytes: a receiver that remembers ids does its work once')
  good(`the delivery is ${delivery.status}; its history keeps all ${delivery.attempts.length} attempts`)
}

async function stop({ service }: Stage): Promise<void> {
  step('Stop the service')
  const code = await service.stop()
  check(code === 0, `the service ends with exit code 0, not ${code}`)
  good('SIGTERM: it finished what ran and ended with exit code 0; the temporary folder is removed')
}

async function submit(call: Call, job: object, key: string): Promise<string> {
  const startedAt = performance.now()
  const { body } = await call<Job>('/v1/jobs', 202, { method: 'POST', json: job, headers: idempotent(key) })
  const ms = Math.round(performance.now() - startedAt)
  quote(`POST /v1/jobs   → 202 in ${ms} ms, ${body.id}`)
  return body.id
}

function idempotent(key: string): Record<string, string> {
  return { 'idempotency-key': key, prefer: 'respond-async' }
}

/** Prints a job's progress until it has completed. */
async function follow(call: Call, id: string): Promise<void> {
  let shown = ''
  const read = async (): Promise<Job> => {
    const { body } = await call<Job>(`/v1/jobs/${id}`, 200)
    const line = `${body.status.padEnd(10)} ${String(body.progress).padStart(3)} %  ${body.message ?? ''}`
    if (line !== shown && body.message !== null) say(line)
    shown = line
    return body
  }
  const job = await poll('the job to finish', read, ({ status }) => status !== 'pending' && status !== 'processing')
  check(job.status === 'completed', `the job completes (${job.error?.detail})`)
}

function readDelivery(call: Call, id: string, status: Delivery['status']): Promise<Delivery> {
  const read = async () => (await call<Delivery>(`/v1/deliveries/${id}`, 200)).body
  return poll(`the delivery to be ${status}`, read, (delivery) => delivery.status === status)
}

function show({ headers, event }: Callback): void {
  good(`callback verified: ${event.type}, attempt ${headers['webhook-attempt']} of ${headers['webhook-max-attempts']}`)
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'webhook-replay']
  for (const name of names) if (headers[name] !== undefined) quote(`${name}: ${headers[name]}`)
}

function refused({ headers, status }: Callback, first: Callback): void {
  const same = headers['webhook-id'] === first.headers['webhook-id']
  check(same, 'every attempt has the same webhook-id')
  const attempt = `attempt ${headers['webhook-attempt']} of ${headers['webhook-max-attempts']}`
  bad(`${attempt}: the receiver answers ${status}`)
  quote(`webhook-id: ${headers['webhook-id']}`)
}

function attemptLine({ number, outcome, status, duration_ms, started_at, next_attempt_at }: Attempt): string {
  const end = Date.parse(started_at) + duration_ms
  const next = next_attempt_at === null ? 'given up' : `next in ${(Date.parse(next_attempt_at) - end) / 1000} s`
  return `attempt ${number}  ${outcome}  ${status}  ${duration_ms} ms  ${next}`
}

/** A long body on one line, its middle left out. */
function abridged(body: string): string {
  return body.length <= 300 ? body : `${body.slice(0, 140)} … ${body.slice(-150)}`
}

const stack = new AsyncDisposableStack()
const interrupted = new Promise<never>((_, reject) => {
  // A terminal and npm both send Ctrl-C: a second one must not cut the cleaning up short.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => reject(new Error(`interrupted by ${signal}; stopping what it started`)))
  }
  // Nobody reads any more, as with `npm run demo | head`.
  process.stdout.on('error', reject)
})
try {
  await Promise.race([run(stack), interrupted])
} catch (error) {
  failed(error as Error)
  process.exitCode = 1
} finally {
  await stack.disposeAsync()
}
