import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '../cli/command.ts'
import { dump } from '../support/dump.ts'
import { databaseOf, onPostgres } from '../support/engine.ts'
import { handlerModule } from '../support/handler-module.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'

// A service as a process goes through all that has to do with secrets, at the loudest log level. Then each secret is
// looked for in all that it left behind.

const CLIENT_KEY = 'phc_secret-client-key-52a8f0e1c7d94b36'
const ADMIN = 'pha_secret-admin-key-9b1e77d0a4c2f853'
const TENANT_SECRET = 'whsec_QmVXYXJlVGhlSWRlc09mTWFyY2gtMTIzNDU2Nzg5MA=='
const OWN_SECRET = 'whsec_T25lT2ZUaGVFbmRwb2ludHNPd24tOTg3NjU0MzIxMDEyMw=='
const HEADER = 'custom-header-value-4f9d2b'
const NEW_HEADER = 'changed-header-value-77ab01'
const SUBMITTED = 'handler-credential-c01dbeef'

const HANDLERS = `import { defineHandler, z } from 'posthorn/handlers'
export const waits = defineHandler({ type: 'test.waits', input: z.object({ url: z.string() }), maxAttempts: 1,
  run: async ({ input, job, fetch, log }) => {
    log.info('waiting')
    await fetch(input.url, { method: 'POST', body: JSON.stringify({ token: job.token }) })
    return job.suspend()
  } })`

/** By what it is. */
const secrets = new Map<string, string>()
const errors: string[] = []
let folder: string
let service: ServiceProcess
let receiver: Receiver
let stderr = ''
let database: Awaited<ReturnType<typeof databaseOf>>

async function call(method: string, path: string, json?: unknown, key = CLIENT_KEY): Promise<Record<string, unknown>> {
  const response = await fetch(service.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async' },
    ...(json !== undefined && { body: typeof json === 'string' ? json : JSON.stringify(json) }),
  })
  const text = await response.text()
  if (response.status >= 400) errors.push(text)
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

beforeAll(async () => {
  await using handlers = await handlerModule(HANDLERS)
  folder = await mkdtemp(join(tmpdir(), 'posthorn-secrets-'))
  receiver = await startReceiver()
  database = await databaseOf(folder)
  service = await startProcess({
    POSTHORN_PORT: '0',
    ...database.env,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_HANDLERS: handlers.path,
    POSTHORN_EGRESS_ALLOW: '127.0.0.1/32',
    POSTHORN_RETRY_SCHEDULE: '100ms',
    POSTHORN_API_KEY: CLIENT_KEY,
    POSTHORN_ADMIN_KEY: ADMIN,
    POSTHORN_SIGNING_SECRET: TENANT_SECRET,
    POSTHORN_LOG: 'trace',
  })
  service.child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  await endpoints()
  await jobs()
  await mistakes()
}, 60_000)
afterAll(async () => {
  await service.end()
  await receiver[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function endpoints(): Promise<void> {
  for (const [name, value] of Object.entries({ CLIENT_KEY, ADMIN, TENANT_SECRET, OWN_SECRET, HEADER, NEW_HEADER })) {
    secrets.set(name, value)
  }
  const url = `${receiver.url}/hook`
  const headers = { 'x-api-key': HEADER }
  const made = await call('POST', '/v1/endpoints', { url, headers, ed25519: true, event_types: ['order.*'] })
  secrets.set('made', String(made.secret))
  const own = await call('POST', '/v1/endpoints', { url, secret: OWN_SECRET, event_types: ['order.*'] })
  expect(own.secret).toBe(OWN_SECRET)
  await call('POST', '/v1/events', { type: 'order.paid', data: 1 })
  await receiver.waitFor(2)
  const rotated = await call('POST', `/v1/endpoints/${made.id}/rotate-secret`, { overlap_s: 3600 })
  secrets.set('rotated', String(rotated.secret))
  await call('PATCH', `/v1/endpoints/${made.id}`, { headers: { 'x-api-key': NEW_HEADER } })
  await call('GET', `/v1/endpoints/${made.id}/secret`)
  await call('POST', `/v1/endpoints/${made.id}/test`)
  await call('POST', '/v1/verify', {
    headers: receiver.hits[0]?.headers,
    body: receiver.hits[0]?.body,
    secret: OWN_SECRET,
  })
  receiver.answer = (_hit, response) => response.writeHead(500).end(`you sent ${NEW_HEADER}`.slice(0, 8))
  await call('POST', '/v1/events', { type: 'order.lost', data: 1 })
  const letters = async () => (await call('GET', '/v1/admin/dead-letters', undefined, ADMIN)).data as object[]
  await until('both are dead', async () => (await letters()).length === 2)
  receiver.answer = (_hit, response) => response.end('{}')
  const hit = receiver.hits.find(({ headers: given }) => given['x-api-key'] === HEADER)
  expect(hit).toBeDefined()
  expect(receiver.hits.some(({ headers: given }) => given['x-api-key'] === NEW_HEADER)).toBe(true)
}

async function jobs(): Promise<void> {
  const { id } = await call('POST', '/v1/jobs', { type: 'test.waits', payload: { url: `${receiver.url}/bank` } })
  const [hit] = await receiver.waitFor(1, ({ path }) => path === '/bank')
  const { token } = JSON.parse(hit?.body ?? '') as { token: string }
  secrets.set('job token', token)
  await call('POST', `/v1/jobs/${id}/complete`, { ok: true }, `${token}x`)
  await call('POST', `/v1/jobs/${id}/complete`, { ok: true }, token)
  await fetch(`${service.url}/v1/jobs/${id}/complete?token=${token}`, { method: 'POST' })
  const url = `${receiver.url}/hook`
  await call('POST', '/v1/jobs', { type: 'echo', callback_url: url })
  await receiver.waitFor(1, ({ body }) => body.includes('job.completed'))
}

/** Requests that are refused, each with a secret where the answer might repeat it. */
async function mistakes(): Promise<void> {
  secrets.set('SUBMITTED', SUBMITTED)
  const wrong = `${CLIENT_KEY.slice(0, -1)}Z`
  secrets.set('a wrong key', wrong)
  await call('GET', '/v1/jobs', undefined, wrong)
  await call('GET', `/v1/jobs?api_key=${CLIENT_KEY}`, undefined, 'none')
  await call('GET', '/v1/jobs', undefined, ADMIN)
  await call('GET', '/v1/admin/stats')
  await call('POST', '/v1/endpoints', { url: 'https://example.com/', secret: `whsec_${SUBMITTED}` })
  await call('POST', '/v1/endpoints', { url: 'https://example.com/', headers: { 'x-a': `${SUBMITTED}\r\nx: y` } })
  await call('POST', '/v1/endpoints', { url: `https://user:${SUBMITTED}@example.com/` })
  await call('POST', '/v1/jobs', { type: 'echo', callback_url: `https://user:${SUBMITTED}@example.com/` })
  await call('POST', '/v1/jobs', { type: 'http.request', payload: { url: 1, headers: { authorization: SUBMITTED } } })
  await call('POST', '/v1/jobs', `{"type":"echo","payload":{"password":"${SUBMITTED}"`)
  await call('POST', '/v1/verify', { headers: {}, body: '', secret: SUBMITTED.repeat(50) })
  expect(errors.length).toBeGreaterThanOrEqual(10)
}

/** As it is, as bytes in any base64, and as hex. Of a signing secret also the bytes that it stands for. */
function forms(secret: string): Buffer[] {
  const plain = Buffer.from(secret)
  const raw = secret.startsWith('whsec_') ? [Buffer.from(secret.slice('whsec_'.length), 'base64')] : []
  return [plain, ...raw].flatMap((bytes) => [
    bytes,
    Buffer.from(bytes.toString('hex')),
    // A base64 of it with something before: where it begins in a group of three changes its letters.
    ...[0, 1, 2].map((shift) => {
      const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
      return Buffer.from(text.slice(shift === 0 ? 0 : 4, text.length - 4).replaceAll('=', ''))
    }),
    Buffer.from(bytes.toString('base64url').slice(0, -2)),
  ])
}

function found(where: string, content: Buffer, but: readonly string[] = []): string[] {
  return [...secrets]
    .filter(([name]) => !but.includes(name))
    .filter(([, secret]) => forms(secret).some((form) => form.length >= 16 && content.includes(form)))
    .map(([name]) => `${name} in ${where}`)
}

test('there is something to look for, and looking finds it', () => {
  expect([...secrets.values()].every((secret) => secret.length >= 20)).toBe(true)
  expect(secrets.size).toBeGreaterThanOrEqual(11)
  for (const [name, secret] of secrets) {
    for (const encoding of ['utf8', 'hex', 'base64', 'base64url'] as const) {
      const content = Buffer.from(`{"x":"${Buffer.from(secret).toString(encoding)}"}`)
      expect(found('x', content)).toContain(`${name} in x`)
    }
  }
})

describe('no secret is', () => {
  test('in the database', async () => {
    const content = await dump(String(database.env.POSTHORN_DATABASE_URL))
    // What is looked through is the whole: what is no secret is found in it.
    for (const known of ['order.lost', '/bank']) expect(content.includes(known)).toBe(true)
    expect(found('the database', content)).toEqual([])
  })

  test.skipIf(onPostgres)('in a file beside it: the write-ahead log, what was uploaded, the key file', async () => {
    const names = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
    expect(files.some((file) => file.endsWith('-wal'))).toBe(true)
    for (const file of files) expect(found(file, await readFile(file))).toEqual([])
  })

  test.skipIf(onPostgres)('in a backup', async () => {
    const file = join(folder, 'backup.db')
    const made = await runCommand(['backup', file], database.env)
    expect(made).toMatchObject({ code: 0 })
    expect(found('the backup', await readFile(file))).toEqual([])
    expect(found('what the command said', Buffer.from(made.stdout + made.stderr))).toEqual([])
  })

  test('in the log, nor on standard error', () => {
    const lines = service.lines.map((line) => JSON.stringify(line)).join('\n')
    expect(lines).toContain('delivery.attempt')
    expect(found('the log', Buffer.from(lines + stderr))).toEqual([])
  })

  test('in the answer to a mistake', () => {
    expect(found('an error', Buffer.from(errors.join('\n')))).toEqual([])
  })

  test('in what is shown of endpoints, deliveries and attempts', async () => {
    const { data } = (await call('GET', '/v1/deliveries?limit=200')) as { data: { id: string }[] }
    const shown = [await call('GET', '/v1/endpoints'), await call('GET', '/v1/admin/dead-letters', undefined, ADMIN)]
    for (const { id } of data) shown.push(await call('GET', `/v1/deliveries/${id}`))
    const text = JSON.stringify(shown)
    expect(text).toContain('x-api-key')
    expect(found('an answer', Buffer.from(text))).toEqual([])
  })
})
