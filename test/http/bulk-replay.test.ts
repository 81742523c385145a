import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeadLetterBody } from '../support/deliveries.ts'
import { problemIn } from '../support/problem.ts'
import { type Hit, type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, startTestService, type TestService } from '../support/service.ts'

interface ReplayBody {
  id: string
  status: string
  filter: object
  order: string
  rate_per_s: number
  total: number
  done: number
  failed: number
  remaining: number
  eta: string | null
  created_at: string
  finished_at: string | null
  links: { href: string; rel: string; method: string }[]
}

let posthorn: TestService
let receiver: Receiver
/** Paths whose deliveries are rejected: they are dead after one attempt. */
const rejecting = new Set<string>()
beforeAll(async () => {
  posthorn = await startTestService()
  receiver = await startReceiver()
  receiver.answer = ({ path }, response) => {
    response.writeHead(rejecting.has(path) ? 400 : 200, rejecting.has(path) ? { 'webhook-delivery': 'abort' } : {})
    response.end()
  }
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const admin = (path: string, json?: unknown, headers: Record<string, string> = {}) =>
  posthorn.api(path, { key: ADMIN_KEY, headers, ...(json === undefined ? {} : { json }) })
const act = (id: string, action: string) =>
  posthorn.api(`/v1/admin/replays/${id}/${action}`, { method: 'POST', key: ADMIN_KEY })
const hitsAt = (path: string): Hit[] => receiver.hits.filter((hit) => hit.path === path)

async function bodyOf<T>(response: Response, status = 200): Promise<T> {
  const text = await response.text()
  expect(`${response.status} ${text}`).toContain(`${status} {`)
  return JSON.parse(text) as T
}

const lettersOf = async (endpointId: string): Promise<DeadLetterBody[]> =>
  (await bodyOf<{ data: DeadLetterBody[] }>(await admin(`/v1/admin/dead-letters?endpoint_id=${endpointId}`))).data

let endpoints = 0

/** An endpoint of a path of its own, with so many dead letters. */
async function endpointWith(count: number): Promise<{ id: string; path: string }> {
  endpoints += 1
  const path = `/${endpoints}`
  rejecting.add(path)
  const json = { url: receiver.url + path, event_types: [`test.n${endpoints}`] }
  const { id } = await bodyOf<{ id: string }>(await posthorn.api('/v1/endpoints', { json }), 201)
  for (let n = 0; n < count; n++) {
    await bodyOf(await posthorn.api('/v1/events', { json: { type: `test.n${endpoints}`, data: { n } } }), 202)
  }
  await expect.poll(async () => (await lettersOf(id)).length, { timeout: 10_000 }).toBe(count)
  rejecting.delete(path)
  return { id, path }
}

const create = async (json: object): Promise<ReplayBody> =>
  bodyOf<ReplayBody>(await admin('/v1/admin/replays', json), 202)
const read = async (id: string): Promise<ReplayBody> => bodyOf<ReplayBody>(await admin(`/v1/admin/replays/${id}`))
const settled = (id: string, status = 'done') =>
  expect.poll(() => read(id), { timeout: 10_000 }).toMatchObject({ status })

describe('a bulk replay', () => {
  test('sends every letter of its filter once more, with the webhook-id it had', async () => {
    const { id, path } = await endpointWith(5)
    const response = await admin('/v1/admin/replays', { filter: { endpoint_id: id } })
    const made = await bodyOf<ReplayBody>(response, 202)
    const url = `${posthorn.url}/v1/admin/replays/${made.id}`
    expect(response.headers.get('location')).toBe(url)
    expect(made).toMatchObject({
      id: expect.stringMatching(/^rpl_\w+$/),
      status: 'running',
      filter: { endpoint_id: id },
      order: 'oldest',
      rate_per_s: 500,
      ...{ total: 5, done: 0, failed: 0, remaining: 5, finished_at: null },
    })
    expect(Date.parse(made.eta ?? '')).toBeGreaterThanOrEqual(Date.parse(made.created_at))
    expect(made.links.map(({ rel }) => rel)).toEqual(['self', 'pause', 'cancel'])
    await settled(made.id)
    const done = await read(made.id)
    expect(done).toMatchObject({ done: 5, failed: 0, remaining: 0, eta: null, finished_at: expect.any(String) })
    expect(done.links.map(({ rel }) => rel)).toEqual(['self'])
    const hits = await receiver.waitFor(10, (hit) => hit.path === path)
    const byEvent = Object.values(Object.groupBy(hits, ({ headers }) => String(headers['webhook-id'])))
    expect(byEvent).toHaveLength(5)
    for (const twice of byEvent)
      expect(twice?.map(({ headers }) => headers['webhook-replay'])).toEqual([undefined, 'true'])
    for (const letter of await lettersOf(id)) expect(letter.replayed_by).toMatch(/^key_/)
  })

  test('of nothing is done at once', async () => {
    const { id } = await create({ filter: { endpoint_id: 'ep_none' } })
    await settled(id)
    expect(await read(id)).toMatchObject({ total: 0, done: 0, failed: 0 })
  })

  test('is rehearsed with dry_run: the count and the first ten, and nothing is sent or kept', async () => {
    const { id, path } = await endpointWith(12)
    const order = { filter: { endpoint_id: id }, dry_run: true }
    type Preview = { count: number; before: string; sample: DeadLetterBody[] }
    const shown = await bodyOf<Preview>(await admin('/v1/admin/replays', order))
    const letters = await lettersOf(id)
    expect(shown).toEqual({ count: 12, before: expect.any(String), sample: letters.reverse().slice(0, 10) })
    const later = new Date(Date.parse(shown.before) + 60_000).toISOString()
    const bounded = { ...order, filter: { ...order.filter, before: shown.before } }
    // What dies from now on is not what was seen.
    expect(await bodyOf(await admin('/v1/admin/replays', bounded))).toMatchObject({ count: 12, before: shown.before })
    const open = { ...order, filter: { ...order.filter, before: later } }
    expect((await bodyOf<Preview>(await admin('/v1/admin/replays', open))).before < later).toBe(true)
    const newest = await bodyOf<typeof shown>(await admin('/v1/admin/replays', { ...order, order: 'newest' }))
    expect(newest.sample).toEqual(letters.reverse().slice(0, 10))
    const { data } = await bodyOf<{ data: ReplayBody[] }>(await admin('/v1/admin/replays'))
    expect(data.filter(({ filter }) => JSON.stringify(filter).includes(id))).toEqual([])
    expect(hitsAt(path)).toHaveLength(12)
  })

  test('goes at its rate, can be paused, resumed and cancelled, and what is left can be replayed later', async () => {
    const { id, path } = await endpointWith(6)
    const made = await create({ filter: { endpoint_id: id }, rate_per_s: 0.1 })
    await expect.poll(() => read(made.id)).toMatchObject({ done: 1, remaining: 5 })
    expect(Date.parse((await read(made.id)).eta ?? '') - Date.now()).toBeGreaterThan(45_000)
    const paused = await bodyOf<ReplayBody>(await act(made.id, 'pause'))
    expect(paused).toMatchObject({ status: 'paused', done: 1, eta: null })
    expect(paused.links.map(({ rel }) => rel)).toEqual(['self', 'resume', 'cancel'])
    await problemIn(await act(made.id, 'pause'), 409, 'replay-state')
    expect(await bodyOf(await act(made.id, 'resume'))).toMatchObject({ status: 'running' })
    await problemIn(await act(made.id, 'resume'), 409, 'replay-state')
    const cancelled = await bodyOf<ReplayBody>(await act(made.id, 'cancel'))
    expect(cancelled).toMatchObject({ status: 'cancelled', eta: null, finished_at: expect.any(String) })
    for (const action of ['pause', 'resume', 'cancel']) await problemIn(await act(made.id, action), 409, 'replay-state')
    const rest = await create({ filter: { endpoint_id: id } })
    expect(rest.total).toBe(6 - cancelled.done)
    await settled(rest.id)
    await receiver.waitFor(12, (hit) => hit.path === path)
    expect(hitsAt(path)).toHaveLength(12)
  })

  test('of a disabled endpoint fails, unless it may enable it', async () => {
    const { id, path } = await endpointWith(2)
    await posthorn.api(`/v1/endpoints/${id}`, { method: 'PATCH', json: { enabled: false } })
    const refused = await create({ filter: { endpoint_id: id } })
    await settled(refused.id)
    expect(await read(refused.id)).toMatchObject({ done: 0, failed: 2, remaining: 0 })
    const enabling = await create({ filter: { endpoint_id: id }, enable: true })
    await settled(enabling.id)
    expect(await read(enabling.id)).toMatchObject({ done: 2, failed: 0 })
    await receiver.waitFor(4, (hit) => hit.path === path)
    const endpoint = await bodyOf(await posthorn.api(`/v1/endpoints/${id}`))
    expect(endpoint).toMatchObject({ enabled: true, disabled_reason: null })
  })

  test('of a deleted endpoint fails, as a single replay does', async () => {
    const { id } = await endpointWith(1)
    const [letter] = await lettersOf(id)
    expect((await posthorn.api(`/v1/endpoints/${id}`, { method: 'DELETE' })).status).toBe(204)
    const { id: replay } = await create({ filter: { endpoint_id: id }, enable: true })
    await settled(replay)
    expect(await read(replay)).toMatchObject({ done: 0, failed: 1 })
    const single = await posthorn.api(`/v1/admin/dead-letters/${letter?.id}/replay?enable=true`, {
      method: 'POST',
      key: ADMIN_KEY,
    })
    await problemIn(single, 409, 'endpoint-deleted')
  })

  test('is made once for each idempotency key, with the same answer however far it is', async () => {
    const { id } = await endpointWith(2)
    const json = { filter: { endpoint_id: id } }
    const headers = { 'idempotency-key': 'bulk-1' }
    const first = await admin('/v1/admin/replays', json, headers)
    const text = await first.text()
    await settled((JSON.parse(text) as ReplayBody).id)
    const second = await admin('/v1/admin/replays', json, headers)
    expect([second.status, await second.text()]).toEqual([202, text])
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.headers.get('location')).toBe(first.headers.get('location'))
    const other = await admin('/v1/admin/replays', { ...json, order: 'newest' }, headers)
    await problemIn(other, 422, 'idempotency-key-reused')
  })

  test('is listed, the newest first, by status too', async () => {
    const older = await create({ filter: { fingerprint: 'none' } })
    const newer = await create({ filter: { fingerprint: 'none', after: '2026-01-01T00:00:00+01:00' } })
    await settled(newer.id)
    const { data } = await bodyOf<{ data: ReplayBody[] }>(await admin('/v1/admin/replays?limit=2&status=done'))
    expect(data.map(({ id }) => id)).toEqual([newer.id, older.id])
    expect(data[0]?.filter).toEqual({ fingerprint: 'none', after: '2025-12-31T23:00:00.000Z' })
    await problemIn(await admin('/v1/admin/replays?status=ended'), 400, 'invalid-request')
  })

  test('of everything must be asked for by name', async () => {
    const made = await create({ filter: { all: true }, rate_per_s: 0.01 })
    expect(made).toMatchObject({ filter: { all: true } })
    expect((await act(made.id, 'cancel')).status).toBe(200)
  })
})

describe('refused with 400:', () => {
  test.each<[string, object]>([
    ['no filter', {}],
    ['an empty filter', { filter: {} }],
    ['a misspelt condition', { filter: { endpoint: 'ep_1' } }],
    ['all that is not all', { filter: { all: true, reason: 'gone' } }],
    ['all: false', { filter: { all: false } }],
    ['a reason that is none', { filter: { reason: 'bored' } }],
    ['a time without zone', { filter: { before: '2026-01-01T00:00:00' } }],
    ['a misspelt dry_run', { filter: { all: true }, dryrun: true }],
    ['no rate', { filter: { all: true }, rate_per_s: 0 }],
    ['an order that is none', { filter: { all: true }, order: 'random' }],
  ])('%s', async (_, json) => {
    await problemIn(await admin('/v1/admin/replays', json), 400, 'invalid-request')
  })
})

test('an unknown replay is not found', async () => {
  await problemIn(await admin('/v1/admin/replays/rpl_none'), 404, 'not-found')
  for (const action of ['pause', 'resume', 'cancel']) await problemIn(await act('rpl_none', action), 404, 'not-found')
})

test('dead letters that are alike are counted together', async () => {
  const { id } = await endpointWith(3)
  const letters = await lettersOf(id)
  const path = `/v1/admin/dead-letters/groups?endpoint_id=${id}`
  const group = {
    fingerprint: letters[0]?.fingerprint,
    endpoint_id: id,
    tenant_id: letters[0]?.tenant_id,
    reason: 'rejected',
    count: 3,
    first_died_at: letters[2]?.died_at,
    last_died_at: letters[0]?.died_at,
    sample: {
      dead_letter_id: letters[0]?.id,
      delivery_id: letters[0]?.delivery_id,
      last_status: 400,
      error_class: 'http_status',
    },
  }
  expect(await bodyOf(await admin(path))).toEqual({
    data: [group],
    next_cursor: null,
    links: [{ href: posthorn.url + path, rel: 'self', method: 'GET' }],
  })
  await settled((await create({ filter: { endpoint_id: id } })).id)
  expect(await bodyOf(await admin(path))).toMatchObject({ data: [] })
  expect(await bodyOf(await admin(`${path}&replayed=true`))).toMatchObject({ data: [group] })
  await problemIn(await admin(`${path}&limit=201`), 400, 'invalid-request')
})
