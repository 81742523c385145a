import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeCursor, decodeEventCursor, encodeCursor, encodeEventCursor } from '../../src/core/cursor.ts'
import { type ApiOperation, operationsOf } from '../support/operations.ts'
import { type Receiver, startReceiver, status } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'
import { until } from '../support/until.ts'

// One tenant owns one of everything, with a marker in every text. Another, who knows all ids, goes through every
// operation of the document.

const MARKER = 'mine-8f2c41'

let folder: string
let posthorn: TestService
let receiver: Receiver
let operations: ApiOperation[]
/** The owner's ids, by their prefix. */
const mine: Record<string, string> = {}

beforeAll(async () => {
  folder = await folderWithOtherTenant()
  receiver = await startReceiver()
  receiver.answer = status(410)
  posthorn = await startTestService({ POSTHORN_SYNC_TIMEOUT: '1s' }, folder)
  operations = await operationsOf(posthorn)
  const url = `${receiver.url}/${MARKER}`
  const made = async (path: string, init: Parameters<TestService['api']>[1]): Promise<string> => {
    const response = await posthorn.api(path, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return (JSON.parse(text) as { id: string }).id
  }
  mine.file = await made('/v1/files', { method: 'POST', body: MARKER })
  const metadata = { mark: MARKER }
  mine.ep = await made('/v1/endpoints', { json: { url, event_types: ['order.*'], metadata } })
  mine.evt = await made('/v1/events', { json: { type: 'order.paid', data: MARKER } })
  mine.job = await posthorn.submit({ type: 'echo', payload: { mark: MARKER }, metadata, callback_url: url })
  const dead = ({ callback }: Record<string, unknown>) => (callback as { status: string } | null)?.status === 'dead'
  const job = await posthorn.job(mine.job, dead)
  mine.dlv = (job.callback as { delivery_id: string }).delivery_id
  const letters = (await (await posthorn.api('/v1/admin/dead-letters', { key: ADMIN_KEY })).json()) as {
    data: { id: string }[]
  }
  mine.dead = letters.data[0]?.id as string
  mine.ten = await made('/v1/admin/tenants', { key: ADMIN_KEY, json: { name: MARKER } })
  const order = { role: 'client', tenant_id: mine.ten, name: MARKER }
  mine.key = await made('/v1/admin/keys', { key: ADMIN_KEY, json: order })
  mine.rpl = await made('/v1/admin/replays', { key: ADMIN_KEY, json: { filter: { reason: 'exhausted' } } })
  const replay = `/v1/admin/replays/${mine.rpl}`
  await until('nothing goes on any more', async () =>
    (await (await posthorn.api(replay, { key: ADMIN_KEY })).text()).includes('"status":"done"'),
  )
}, 40_000)
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** What the id in a path is of. An operation that is added with another kind fails the test until it is told here. */
const KINDS: [RegExp, string][] = [
  [/^\/v1\/((admin\/)?jobs|queue\/requests)\/\{id\}/, 'job'],
  [/^\/v1\/(admin\/)?files\/\{id\}/, 'file'],
  [/^\/v1\/(admin\/)?endpoints\/\{id\}/, 'ep'],
  [/^\/v1\/(admin\/)?events\/\{id\}/, 'evt'],
  [/^\/v1\/(admin\/)?deliveries\/\{id\}/, 'dlv'],
  [/^\/v1\/admin\/dead-letters\/\{id\}/, 'dead'],
  [/^\/v1\/admin\/replays\/\{id\}/, 'rpl'],
  [/^\/v1\/admin\/tenants\/\{id\}/, 'ten'],
  [/^\/v1\/admin\/keys\/\{id\}/, 'key'],
]

/** A kind's id that nobody has, of the same length. */
const unknown = (kind: string): string => `${kind}_${'0'.repeat(32)}`
const kindOf = (path: string): string | undefined => KINDS.find(([pattern]) => pattern.test(path))?.[1]

/** Bodies with which an operation gets as far as looking for what it is about. */
const BODIES: Record<string, unknown> = {
  'post /v1/jobs': { type: 'echo', run_at: '2099-01-01T00:00:00Z' },
  'post /v1/jobs/batch': { jobs: [{ type: 'echo', run_at: '2099-01-01T00:00:00Z' }] },
  'post /v1/endpoints': { url: 'https://example.com/' },
  'post /v1/events': { type: 'order.other', data: 1 },
  'post /v1/verify': { headers: {}, body: MARKER },
  'post /v1/admin/verify': { tenant_id: 'ten_1', headers: {}, body: MARKER },
  'post /v1/admin/tenants': { name: 'another' },
  'post /v1/admin/keys': { role: 'admin', name: 'another' },
  'post /v1/admin/replays': { filter: { reason: 'gone' }, dry_run: true },
}

interface Answer {
  status: number
  text: string
  headers: [string, string][]
}

/** Answers of one id and of another can be compared: the ids, and what is of one request alone, are taken out. */
async function call(operation: ApiOperation, path: string, key: string | null, id = ''): Promise<Answer> {
  const json = operation.body === null ? undefined : (BODIES[operation.name] ?? {})
  const response = await posthorn.api(path, {
    method: operation.method,
    key,
    redirect: 'manual',
    headers: { prefer: 'respond-async' },
    ...(json !== undefined && { json }),
  })
  const text = (await response.text()).replaceAll(/"(debug_id|instance)":"[^"]*"/g, '"$1":""')
  const headers = [...response.headers].filter(([name]) => !['x-request-id', 'date', 'ratelimit'].includes(name))
  return { status: response.status, text: text.replaceAll(id || '\0', 'ID'), headers }
}

/** All that the owner has, as he sees it and the admin does. */
async function everything(): Promise<string> {
  const views = Object.entries(mine).flatMap(([kind, id]) =>
    operations
      .filter(({ method, path }) => method === 'GET' && kindOf(path) === kind && /\{id\}$|secret$/.test(path))
      .map(({ path, role }) => ({ path: path.replace('{id}', id), key: role === 'admin' ? ADMIN_KEY : API_KEY })),
  )
  const texts = await Promise.all(views.map(async ({ path, key }) => (await posthorn.api(path, { key })).text()))
  const lists = ['/v1/jobs', '/v1/endpoints', '/v1/deliveries'].map(async (path) => (await posthorn.api(path)).text())
  return [...texts, ...(await Promise.all(lists))].join('\n')
}

const own = (role: 'client' | 'admin' | null) => operations.filter((operation) => operation.role === role)
const withId = (some: ApiOperation[]) => some.filter(({ path }) => path.includes('{id}'))

test('what each id in a path is of is known, and the owner has one of it', () => {
  const ofNobody = withId(operations).filter(({ path }) => mine[kindOf(path) ?? ''] === undefined)
  expect(ofNobody.map(({ name }) => name)).toEqual([])
  const others = operations.filter(({ path }) => path.replaceAll('{id}', '').includes('{'))
  expect(others.map(({ name }) => name)).toEqual(['get /problems/{code}'])
  const bodies = own('client').concat(own('admin'))
  const without = bodies.filter(({ name, path, body }) => body !== null && !path.includes('{id}') && !BODIES[name])
  expect(without.map(({ name }) => name)).toEqual([])
})

test('another tenant’s ids are answered like ids that nobody has, and nothing happens to what they are of', async () => {
  const before = await everything()
  expect(before).toContain(MARKER)
  const operationsOfClients = withId(own('client'))
  expect(operationsOfClients.length).toBeGreaterThan(15)
  for (const operation of operationsOfClients) {
    const kind = kindOf(operation.path) as string
    const [real, none] = [mine[kind] as string, unknown(kind)]
    const answers = []
    for (const id of [real, none]) {
      answers.push(await call(operation, operation.path.replace('{id}', id), OTHER_KEY, id))
    }
    expect({ name: operation.name, ...answers[0] }).toEqual({ name: operation.name, ...answers[1] })
    expect([operation.name, answers[0]?.status]).toEqual([operation.name, 404])
    expect(answers[0]?.text).not.toContain(MARKER)
  }
  expect(await everything()).toBe(before)
})

test('a token of nobody opens no job: known and unknown ids are answered alike', async () => {
  const public_ = withId(own(null))
  expect(public_.map(({ name }) => name).sort()).toEqual(['post /v1/jobs/{id}/complete', 'post /v1/jobs/{id}/fail'])
  for (const operation of public_) {
    const [real, none] = [mine.job as string, unknown('job')]
    for (const key of ['pht_wrong', OTHER_KEY, API_KEY, ADMIN_KEY]) {
      const first = await call(operation, operation.path.replace('{id}', real), key, real)
      expect(first.status).toBe(404)
      expect(first).toEqual(await call(operation, operation.path.replace('{id}', none), key, none))
    }
  }
})

test('lists, searches and cursors of another tenant show nothing of it', async () => {
  const lists = own('client').filter(({ method, path }) => method === 'GET' && !path.includes('{'))
  expect(lists.length).toBeGreaterThanOrEqual(4)
  // The answers say for which query they are; ids in that are those that were sent.
  const shown = async (path: string): Promise<string> => {
    const response = await posthorn.api(path, { key: OTHER_KEY, headers: { prefer: 'wait=0' } })
    const { data, ...rest } = (await response.json()) as { data?: unknown; links?: unknown; next_cursor?: unknown }
    return JSON.stringify({ data, rest: { ...rest, links: null, instance: null, next_cursor: null, detail: null } })
  }
  const values = Object.values(mine)
  const cursors = values.flatMap((id) => [encodeCursor(id), encodeEventCursor(id)])
  const cursorsAreRead = [
    decodeCursor(encodeCursor(mine.job ?? '')),
    decodeEventCursor(encodeEventCursor(mine.evt ?? '')),
  ]
  expect(cursorsAreRead).toEqual([mine.job, mine.evt])
  for (const { path, parameters } of lists) {
    const queries = parameters
      .filter((parameter) => parameter.in === 'query')
      .flatMap(({ name }) => [...values, ...cursors, MARKER, 'echo'].map((value) => `?${name}=${value}`))
    for (const query of ['', ...queries]) {
      const text = await shown(path + query)
      for (const secret of [MARKER, ...values]) {
        if (text.includes(secret)) throw new Error(`GET ${path}${query} shows ${secret}: ${text}`)
      }
    }
  }
}, 60_000)

test('what belongs to another tenant cannot be used in what one makes oneself', async () => {
  const { job, file, ep } = mine
  const submit = (json: object) => posthorn.api('/v1/jobs', { key: OTHER_KEY, json })
  const withEndpoint = async (endpoint_id: string | undefined) =>
    (await (await submit({ type: 'echo', callback: { endpoint_id } })).text())
      .replaceAll(/"(debug_id|instance)":"[^"]*"/g, '')
      .replaceAll(endpoint_id ?? '', 'ID')
  expect(await withEndpoint(ep)).toBe(await withEndpoint(unknown('ep')))
  expect(await withEndpoint(ep)).toContain('unknown-endpoint')
  // A payload may name a file; what a handler then gets is of the tenant or nothing.
  const { id } = (await (await submit({ type: 'echo', payload: { file_id: file, job_id: job } })).json()) as {
    id: string
  }
  expect(id).toMatch(/^job_/)
  expect((await posthorn.api(`/v1/files/${file}`, { key: OTHER_KEY })).status).toBe(404)
})

test('members that would change the owner are not taken', async () => {
  const [victim] = ((await (await posthorn.api('/v1/jobs')).json()) as { data: { id: string }[] }).data
  const theirs = {
    tenant_id: 'ten_1',
    tenantId: 'ten_1',
    id: victim?.id,
    secret_hash: 'x',
    created_at: '2001-01-01T00:00:00Z',
  }
  const later = { type: 'echo', run_at: '2099-01-01T00:00:00Z' }
  const made = (await (await posthorn.api('/v1/jobs', { key: OTHER_KEY, json: { ...later, ...theirs } })).json()) as {
    id: string
  }
  expect(made.id).not.toBe(victim?.id)
  const endpoint = await posthorn.api('/v1/endpoints', {
    key: OTHER_KEY,
    json: { url: 'https://example.com/', ...theirs },
  })
  const { id, created_at } = (await endpoint.json()) as { id: string; created_at: string }
  expect([id === victim?.id, created_at.startsWith('2001')]).toEqual([false, false])
  const changed = await posthorn.api(`/v1/endpoints/${id}`, { key: OTHER_KEY, method: 'PATCH', json: theirs })
  expect(((await changed.json()) as { id: string }).id).toBe(id)
  expect((await posthorn.api(`/v1/endpoints/${id}`)).status).toBe(404)
  expect((await posthorn.api(`/v1/jobs/${made.id}`)).status).toBe(404)
})

describe('roles:', () => {
  const path = (operation: ApiOperation) => operation.path.replace('{id}', mine[kindOf(operation.path) ?? ''] ?? '')

  test('a client’s key opens nothing of the admin', async () => {
    expect(own('admin').length).toBeGreaterThan(5)
    for (const operation of own('admin')) {
      expect(operation.path).toMatch(/^\/v1\/admin\//)
      for (const key of [API_KEY, OTHER_KEY]) {
        const answer = await call(operation, path(operation), key)
        expect([operation.name, answer.status]).toEqual([operation.name, 403])
        expect(answer.text).not.toContain(MARKER)
      }
    }
  })

  test('the admin’s key opens nothing of a client', async () => {
    for (const operation of own('client')) {
      expect(operation.path).not.toMatch(/^\/v1\/admin\//)
      const answer = await call(operation, path(operation), ADMIN_KEY)
      expect([operation.name, answer.status]).toEqual([operation.name, 403])
    }
  })

  test('without a key, and with one that is none, nothing is opened but what is for everybody', async () => {
    const open = own(null).map(({ path }) => path)
    expect(open.filter((one) => one.startsWith('/v1/') && !/\/(complete|fail)$/.test(one))).toEqual([])
    for (const operation of [...own('client'), ...own('admin')]) {
      for (const key of [null, `${API_KEY}x`, API_KEY.slice(0, -1), `${API_KEY} `.repeat(2), 'k'.repeat(8000)]) {
        const answer = await call(operation, path(operation), key)
        // Many wrong ones at once are told to wait.
        expect([operation.name, [401, 429].includes(answer.status)]).toEqual([operation.name, true])
        expect(answer.text).not.toContain(MARKER)
      }
    }
  })
})
