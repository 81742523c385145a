import type { Receiver } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, type TestService } from '../support/service.ts'

/** Handlers that the walk needs: they fail, take too long, and wait for somebody outside. */
export const HANDLERS = `import { defineHandler, PermanentError, z } from 'posthorn/handlers'
const input = z.object({ url: z.string().optional() })
export const fails = defineHandler({ type: 'test.fails', input, run: () => { throw new PermanentError('No luck.') } })
export const slow = defineHandler({ type: 'test.times-out', input, timeoutS: 0.1, maxAttempts: 1,
  run: ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))) })
export const waits = defineHandler({ type: 'test.waits', input, maxAttempts: 1, run: async ({ input, job, fetch }) => {
  await fetch(input.url, { method: 'POST', body: JSON.stringify({ id: job.id, token: job.token }) })
  return job.suspend()
} })`
const LATER = { type: 'echo', run_at: '2099-01-01T00:00:00Z' }
const UNKNOWN = `job_${'0'.repeat(32)}`
const FOUR = ['/v1/jobs/ID', '/v1/jobs/ID/status', '/v1/queue/requests/ID', '/v1/jobs/ID/result']

let posthorn: TestService
let receiver: Receiver
let checking: typeof fetch

interface Call extends RequestInit {
  json?: unknown
  key?: string | null
  prefer?: string
}

/** Returns the body, or what of it can be read as JSON. */
async function call(target: string, { json, key = API_KEY, prefer, ...init }: Call = {}) {
  const [method = '', path = ''] = target.split(' ')
  const headers = {
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    ...(prefer === undefined ? {} : { prefer }),
    ...init.headers,
  }
  const body = json === undefined ? (init.body ?? null) : JSON.stringify(json)
  const response = await checking(posthorn.url + path, { redirect: 'manual', ...init, method, headers, body })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== ''
  const data = isJson ? (JSON.parse(text) as Record<string, unknown> & { id: string }) : null
  return { status: response.status, data, id: String(data?.id), headers: response.headers }
}

const submit = (json: object, more: Call = {}) => call('POST /v1/jobs', { json, ...more })

/** Through every operation: how it goes well, and what usually goes wrong. */
export async function walk(service: TestService, receives: Receiver, checkingFetch: typeof fetch): Promise<void> {
  posthorn = service
  receiver = receives
  checking = checkingFetch
  receiver.answer = (hit, response) => response.writeHead(hit.path === '/gone' ? 410 : 200).end('{}')
  const done = await submissions()
  const later = await submit(LATER, { prefer: 'respond-async' })
  const failed = await submit({ type: 'test.fails' }, { prefer: 'respond-async, wait=0' })
  await call(`GET /v1/jobs/${failed.id}`, { prefer: 'wait=5' })
  for (const id of [done, later.id, failed.id, UNKNOWN]) await reads(id)
  await call(`POST /v1/jobs/${later.id}/cancel`)
  await reads(later.id)
  for (const id of [later.id, UNKNOWN]) await call(`POST /v1/jobs/${id}/cancel`)
  await batchesAndLists(done)
  await outside()
  await files()
  await deliveries()
  await endpoints()
  await events()
  await replays()
  await administration()
  for (const path of ['/healthz', '/readyz', '/metrics', '/problems/not-found', '/problems/nothing']) {
    await call(`GET ${path}`, { key: null })
  }
  const pending = await submit(LATER, { prefer: 'respond-async' })
  for (const id of [pending.id, done, UNKNOWN]) await call(`DELETE /v1/jobs/${id}`)
  await reads(done)
  await Promise.all(Array.from({ length: 800 }, () => call(`GET /v1/jobs/${UNKNOWN}`)))
}

async function submissions(): Promise<string> {
  const work = { type: 'echo', payload: { a: 1 }, metadata: { order: '42' } }
  await submit(work)
  const done = await submit(work, { prefer: 'respond-async' })
  await posthorn.job(done.id, ({ status }) => status === 'completed')
  const key = { headers: { 'idempotency-key': 'k' }, prefer: 'respond-async' }
  for (const json of [LATER, LATER, { ...LATER, priority: 1 }]) await submit(json, key)
  for (let n = 0; n < 2; n++) await submit({ type: 'echo' }, { headers: { 'paypal-request-id': 'p' } })
  await submit(LATER, { prefer: 'respond-async, return=minimal' })
  await submit(LATER, { prefer: 'wait=0' })
  for (const type of ['test.fails', 'test.times-out', 'no.such.type', 7]) await submit({ type })
  await submit({ type: 'http.request', payload: { url: `${receiver.url}/gone` }, max_attempts: 1 })
  await submit({ ...LATER, colour: 'red' }, { prefer: 'handling=strict' })
  await submit({ type: 'echo' }, { headers: { 'idempotency-key': '"' } })
  await submit({ type: 'echo', payload: 'x'.repeat(1024 * 1024) })
  await call('POST /v1/jobs', { body: '{' })
  await call('POST /v1/jobs', { body: '{', headers: { 'content-type': 'application/json' } })
  for (const key of [null, ADMIN_KEY]) await submit(LATER, { key })
  return done.id
}

async function reads(id: string): Promise<void> {
  for (const path of FOUR) {
    const url = `GET ${path.replace('ID', id)}`
    const { headers } = await call(url)
    await call(url, { headers: { 'if-none-match': headers.get('etag') ?? '"x"' } })
    await call(url, { key: null })
  }
  await call(`GET /v1/jobs/${id}/status?redirect=false`)
  await call(`GET /v1/jobs/${id}/status?redirect=maybe`)
  if (id === UNKNOWN || (await call(`GET /v1/jobs/${id}`)).data?.finished_at != null) {
    await call(`GET /v1/jobs/${id}/events`)
    await call(`GET /v1/jobs/${id}/events`, { headers: { 'last-event-id': '99' } })
  }
  await call(`GET /v1/jobs/${id}/ws`)
}

async function batchesAndLists(done: string): Promise<void> {
  const item = { type: 'echo', idempotency_key: 'item' }
  for (const jobs of [[item, item, null, { ...item, priority: 1 }], [], 7])
    await call('POST /v1/jobs/batch', { json: { jobs } })
  await call('POST /v1/jobs/batch', { key: null, json: {} })
  for (const query of ['', '?limit=2', '?status=completed', '?limit=0', '?cursor=x', '?created_after=now']) {
    await call(`GET /v1/jobs${query}`)
    await call(`GET /v1/deliveries${query.replace('created_', '').replace('completed', 'dead')}`)
    await call(`GET /v1/admin/dead-letters${query.replace(/.status.*/, '')}`, { key: ADMIN_KEY })
  }
  await call(`GET /v1/deliveries?job_id=${done}`)
}

async function outside(): Promise<void> {
  for (const [how, json] of [
    ['complete', { ok: true }],
    ['fail', { code: 'no', detail: 'No.' }],
  ] as const) {
    const { id } = await submit(
      { type: 'test.waits', payload: { url: `${receiver.url}/bank` } },
      { prefer: 'respond-async' },
    )
    const [hit] = await receiver.waitFor(1, ({ body }) => body.includes(id) && body.includes('token'))
    const { token } = JSON.parse(hit?.body ?? '') as { token: string }
    await call(`POST /v1/jobs/${id}/${how}`, { key: null })
    await call(`POST /v1/jobs/${id}/fail`, { json: { code: 7 }, key: token })
    for (const key of ['wrong', token, token]) await call(`POST /v1/jobs/${id}/${how}`, { json, key })
    await call(`GET /v1/jobs/${id}`)
  }
}

async function files(): Promise<void> {
  const headers = { 'content-type': 'text/plain', 'idempotency-key': 'file' }
  const { id } = await call('POST /v1/files', { body: '0123456789', headers })
  await call('POST /v1/files', { body: '0123456789', headers })
  await call('POST /v1/files', { body: 'other', headers })
  await call('POST /v1/files', { body: 'x', headers: { 'content-type': 'no type' } })
  for (const range of ['', 'bytes=0-3', 'bytes=90-']) await call(`GET /v1/files/${id}`, { headers: { range } })
  await call('GET /v1/files/file_1')
}

async function endpoints(): Promise<void> {
  const json = { url: `${receiver.url}/endpoint`, event_types: ['order.*'], ed25519: true, headers: { 'x-key': 's' } }
  const { id } = await call('POST /v1/endpoints', { json, headers: { 'idempotency-key': 'endpoint' } })
  for (const bad of [json, { ...json, ordering: 'fifo' }]) {
    await call('POST /v1/endpoints', { json: bad, headers: { 'idempotency-key': 'endpoint' } })
  }
  await call('POST /v1/endpoints', { json: { url: 'http://10.0.0.1/' } })
  for (const query of ['', '?limit=0']) await call(`GET /v1/endpoints${query}`)
  for (const one of [id, 'ep_1']) {
    await call(`PATCH /v1/endpoints/${one}`, { json: { description: 'changed' } })
    await call(`GET /v1/endpoints/${one}`)
    for (const what of ['rotate-secret', 'test']) await call(`POST /v1/endpoints/${one}/${what}`, { json: {} })
    for (const what of ['secret', 'stats']) await call(`GET /v1/endpoints/${one}/${what}`)
  }
  const { id: gone } = await call('POST /v1/endpoints', { json: { url: receiver.url } })
  for (let n = 0; n < 2; n++) await call(`DELETE /v1/endpoints/${gone}`)
}

async function events(): Promise<void> {
  const order = { type: 'order.paid', data: { n: 1 }, key: 'k' }
  for (const json of [order, order, { ...order, data: 2 }]) {
    await call('POST /v1/events', { json, headers: { 'idempotency-key': 'event' } })
  }
  for (const json of [{ type: 'job.completed', data: 1 }, { type: 'order paid' }])
    await call('POST /v1/events', { json })
  for (const query of ['', '?limit=1&types=order.*', '?after=latest', '?after=nonsense']) {
    await call(`GET /v1/events${query}`, { prefer: 'wait=0' })
  }
  const [hit] = await receiver.waitFor(1, ({ body }) => body.includes('order.paid'))
  await call('POST /v1/verify', { json: { headers: hit?.headers, body: hit?.body } })
  for (const json of [{ headers: {}, body: '' }, {}]) await call('POST /v1/verify', { json })
  await call('GET /.well-known/jwks.json', { key: null })
}

async function deliveries(): Promise<void> {
  for (const path of ['/ok', '/gone']) {
    const { id } = await submit({ type: 'echo', callback_url: receiver.url + path })
    const settled = await posthorn.job(id, ({ callback }) =>
      /^de(ad|livered)$/.test((callback as { status: string }).status),
    )
    const { delivery_id: delivery } = settled.callback as { delivery_id: string }
    await call(`GET /v1/jobs/${id}`)
    await call(`GET /v1/deliveries/${delivery}`)
    await call(`GET /v1/deliveries?job_id=${id}`)
    const { data } = await call('GET /v1/admin/dead-letters', { key: ADMIN_KEY })
    for (const letter of (data?.data ?? []) as { id: string; event_id: string }[]) {
      for (const read of [
        `dead-letters/${letter.id}`,
        `events/${letter.event_id}`,
        `deliveries/${delivery}`,
        `jobs/${id}`,
      ]) {
        await call(`GET /v1/admin/${read}`, { key: ADMIN_KEY })
      }
      await call(`POST /v1/admin/dead-letters/${letter.id}/replay`, { key: ADMIN_KEY })
    }
    await call(`POST /v1/deliveries/${delivery}/replay`)
    await call(`POST /v1/admin/deliveries/${delivery}/replay`, { key: ADMIN_KEY })
  }
  await call('GET /v1/deliveries/dlv_1')
  await call('POST /v1/deliveries/dlv_1/replay')
  for (const what of ['dead-letters/dead_1', 'deliveries/dlv_1', 'events/evt_1', 'jobs/job_1']) {
    await call(`GET /v1/admin/${what}`, { key: ADMIN_KEY })
  }
  for (const what of ['deliveries', 'jobs']) {
    for (const query of ['', '?tenant_id=ten_1', '?limit=0', '?status=no']) {
      await call(`GET /v1/admin/${what}${query}`, { key: ADMIN_KEY })
    }
  }
  const received = { headers: {}, body: '' }
  for (const json of [{ ...received, tenant_id: 'ten_1' }, received]) {
    await call('POST /v1/admin/verify', { key: ADMIN_KEY, json })
  }
  for (const what of ['dead-letters/dead_1', 'deliveries/dlv_1']) {
    await call(`POST /v1/admin/${what}/replay`, { key: ADMIN_KEY })
    await call(`POST /v1/admin/${what}/replay`)
  }
}

/** One whose second letter waits for 100 s, so that it can be paused. */
async function replays(): Promise<void> {
  const admin = (target: string, json?: unknown) => call(target, { key: ADMIN_KEY, json })
  for (const query of ['', '?tenant_id=', '?minutes=0']) await admin(`GET /v1/admin/stats${query}`)
  for (const query of ['', '?limit=0']) {
    for (const what of ['dead-letters/groups', 'replays']) await admin(`GET /v1/admin/${what}${query}`)
  }
  for (let n = 0; n < 2; n++) {
    const { id } = await submit({ type: 'echo', callback_url: `${receiver.url}/gone` })
    await posthorn.job(id, ({ callback }) => (callback as { status: string }).status === 'dead')
  }
  const filter = { filter: { all: true } }
  for (const json of [{ ...filter, dry_run: true }, {}]) await admin('POST /v1/admin/replays', json)
  const { id } = await admin('POST /v1/admin/replays', { ...filter, rate_per_s: 0.01 })
  for (const one of [id, 'rpl_1']) {
    await admin(`GET /v1/admin/replays/${one}`)
    for (const act of ['pause', 'pause', 'resume', 'resume', 'cancel', 'resume']) {
      await admin(`POST /v1/admin/replays/${one}/${act}`)
    }
  }
}

async function administration(): Promise<void> {
  const admin = (target: string, json?: unknown, headers = {}) => call(target, { key: ADMIN_KEY, json, headers })
  const key = { 'idempotency-key': 'tenant' }
  const { id } = await admin('POST /v1/admin/tenants', { name: 'acme' }, key)
  for (const json of [{ name: 'acme' }, { name: 'else' }]) await admin('POST /v1/admin/tenants', json, key)
  await admin('POST /v1/admin/tenants', { name: 'acme' })
  const { id: endpoint } = await call('POST /v1/endpoints', { json: { url: receiver.url, event_types: ['x'] } })
  const order = { role: 'client', tenant_id: id, name: 'laptop' }
  const { id: made } = await admin('POST /v1/admin/keys', order, { 'idempotency-key': 'key' })
  for (const json of [order, { ...order, name: 'else' }]) {
    await admin('POST /v1/admin/keys', json, { 'idempotency-key': 'key' })
  }
  for (const json of [
    { ...order, tenant_id: 'ten_1' },
    { role: 'admin', tenant_id: id, name: 'x' },
  ]) {
    await admin('POST /v1/admin/keys', json)
  }
  for (const query of ['', '?limit=0']) {
    for (const what of ['tenants', 'keys', 'endpoints', 'audit']) await admin(`GET /v1/admin/${what}${query}`)
  }
  for (const one of [id, 'ten_1']) {
    await admin(`GET /v1/admin/tenants/${one}`)
    for (const json of [{ request_limit_per_s: 5 }, { name: 'default' }]) {
      await admin(`PATCH /v1/admin/tenants/${one}`, json)
    }
    await admin(`POST /v1/admin/tenants/${one}/rotate-secret`, {})
  }
  for (const one of [made, 'key_1']) {
    await admin(`GET /v1/admin/keys/${one}`)
    await admin(`POST /v1/admin/keys/${one}/revoke`)
  }
  const { id: file } = await call('POST /v1/files', { body: 'x' })
  for (const one of [file, 'file_1']) await admin(`GET /v1/admin/files/${one}`)
  for (const one of [endpoint, 'ep_1']) {
    await admin(`GET /v1/admin/endpoints/${one}`)
    await admin(`PATCH /v1/admin/endpoints/${one}`, { enabled: false })
    for (const what of ['rotate-secret', 'test']) await admin(`POST /v1/admin/endpoints/${one}/${what}`, {})
  }
}
