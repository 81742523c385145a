import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DeadLetterBody, type DeliveryBody, deliveryOf } from '../support/deliveries.ts'
import { problemIn } from '../support/problem.ts'
import { type Hit, type Receiver, startReceiver, verified } from '../support/receiver.ts'
import { ADMIN_KEY, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY, OTHER_SECRET } from '../support/tenants.ts'

let folder: string
let posthorn: TestService
let receiver: Receiver
/** What the receiver answers, by path; else 200. */
const answers = new Map<string, number>()
beforeAll(async () => {
  folder = await folderWithOtherTenant()
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '50ms' }, folder)
  receiver = await startReceiver()
  receiver.answer = ({ path }, response) => response.writeHead(answers.get(path) ?? 200).end()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const hitsAt = (path: string): Hit[] => receiver.hits.filter((hit) => hit.path === path)
const post = (path: string, key?: string) => posthorn.api(path, { method: 'POST', ...(key ? { key } : {}) })
const replay = (letter: DeadLetterBody) => post(`/v1/admin/dead-letters/${letter.id}/replay`, ADMIN_KEY)

/** A job whose callback ended with the first status. */
async function callBack(path: string, status: number): Promise<{ job: string; delivery: DeliveryBody }> {
  answers.set(path, status)
  const job = await posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}${path}` })
  return { job, delivery: await deliveryOf(posthorn, job) }
}

/** All of them, or those of one delivery; the newest first. */
async function letters(delivery?: DeliveryBody, query = ''): Promise<DeadLetterBody[]> {
  const response = await posthorn.api(`/v1/admin/dead-letters?limit=200${query}`, { key: ADMIN_KEY })
  const { data } = (await response.json()) as { data: DeadLetterBody[] }
  return delivery ? data.filter(({ delivery_id }) => delivery_id === delivery.id) : data
}

test('a dead letter tells what died, where, why and when', async () => {
  const { delivery } = await callBack('/dead', 500)
  const [letter, ...more] = await letters(delivery)
  expect(more).toEqual([])
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(letter).toEqual({
    id: expect.stringMatching(/^dead_\w+$/),
    tenant_id: expect.stringMatching(/^ten_\w+$/),
    delivery_id: delivery.id,
    event_id: hitsAt('/dead')[0]?.headers['webhook-id'],
    endpoint_id: expect.stringMatching(/^ep_\w+$/),
    reason: 'exhausted',
    last_status: 500,
    error_class: 'http_status',
    fingerprint: 'http_500',
    attempts: 2,
    first_attempt_at: delivery.attempts[0]?.started_at,
    last_attempt_at: delivery.attempts[1]?.started_at,
    died_at: time,
    replayed_at: null,
    replayed_by: null,
    links: [{ href: `${posthorn.url}/v1/admin/dead-letters/${letter?.id}/replay`, rel: 'replay', method: 'POST' }],
  })
})

test('a replayed dead letter is the same event to the same receiver, from the first attempt', async () => {
  const { job, delivery } = await callBack('/again', 500)
  const [letter] = await letters(delivery)
  answers.set('/again', 200)
  const response = await replay(letter as DeadLetterBody)
  expect(response.status).toBe(202)
  expect(await response.json()).toMatchObject({ id: delivery.id, status: 'pending', replay_count: 1, attempt_count: 0 })
  const after = await deliveryOf(posthorn, job, ({ status }) => status === 'delivered')
  const hits = hitsAt('/again')
  expect(hits.map(({ headers }) => [headers['webhook-attempt'], headers['webhook-replay']])).toEqual([
    ['1', undefined],
    ['2', undefined],
    ['1', 'true'],
  ])
  expect(new Set(hits.map(({ headers, body }) => `${headers['webhook-id']} ${body}`)).size).toBe(1)
  for (const hit of hits) expect(verified(hit, SIGNING_SECRET).type).toBe('job.completed')
  // The history is kept, and the letter says that it was replayed.
  expect(after.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
    [1, 'failed'],
    [2, 'failed'],
    [1, 'delivered'],
  ])
  expect(after.attempts.slice(0, 2)).toEqual(delivery.attempts)
  const [marked, ...more] = await letters(delivery)
  expect(more).toEqual([])
  expect(marked).toEqual({
    ...letter,
    replayed_at: expect.any(String),
    replayed_by: expect.stringMatching(/^key_\w+$/),
  })
  expect(Date.parse(marked?.replayed_at ?? '')).toBeGreaterThanOrEqual(Date.parse(letter?.died_at ?? ''))
  expect(await posthorn.job(job)).toMatchObject({ status: 'completed', callback: { status: 'delivered' } })
})

test('a replay has the whole schedule again, and its death is a dead letter of its own', async () => {
  const { job, delivery } = await callBack('/twice', 500)
  expect((await post(`/v1/admin/deliveries/${delivery.id}/replay`, ADMIN_KEY)).status).toBe(202)
  await deliveryOf(posthorn, job, ({ status, attempts }) => status === 'dead' && attempts.length === 4)
  expect(hitsAt('/twice').map(({ headers }) => headers['webhook-attempt'])).toEqual(['1', '2', '1', '2'])
  const both = await letters(delivery)
  expect(both).toMatchObject([
    { reason: 'exhausted', attempts: 2, replayed_at: null, replayed_by: null },
    { reason: 'exhausted', attempts: 2, replayed_at: expect.any(String) },
  ])
  expect(both[0]?.id).not.toBe(both[1]?.id)
})

test('asking again while a replay runs changes nothing: 202 and one request', async () => {
  const { job, delivery } = await callBack('/running', 410)
  const [letter] = await letters(delivery)
  const held = Promise.withResolvers<() => void>()
  const answer = receiver.answer
  receiver.answer = (_hit, response) => held.resolve(() => response.end())
  expect((await replay(letter as DeadLetterBody)).status).toBe(202)
  const release = await held.promise
  for (const again of [replay(letter as DeadLetterBody), post(`/v1/deliveries/${delivery.id}/replay`)]) {
    const response = await again
    expect(response.status).toBe(202)
    expect(await response.json()).toMatchObject({ id: delivery.id, status: 'delivering', replay_count: 1 })
  }
  receiver.answer = answer
  release()
  await deliveryOf(posthorn, job, ({ status }) => status === 'delivered')
  expect(hitsAt('/running')).toHaveLength(2)
})

test('a delivered one may be replayed, by its tenant, too', async () => {
  const { job, delivery } = await callBack('/delivered', 200)
  const response = await post(`/v1/deliveries/${delivery.id}/replay`)
  expect([response.status, await response.json()]).toMatchObject([202, { id: delivery.id, replay_count: 1 }])
  const after = await deliveryOf(posthorn, job, ({ attempts }) => attempts.length === 2)
  expect(after).toMatchObject({ status: 'delivered', replay_count: 1 })
  const [first, second] = hitsAt('/delivered')
  expect(second?.headers).toMatchObject({ 'webhook-id': first?.headers['webhook-id'], 'webhook-replay': 'true' })
  expect(await letters(delivery)).toEqual([])
})

test('one that was never given up is refused with 409', async () => {
  const held = Promise.withResolvers<() => void>()
  const answer = receiver.answer
  receiver.answer = (_hit, response) => held.resolve(() => response.end())
  const job = await posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}/pending` })
  const release = await held.promise
  const { id } = await deliveryOf(posthorn, job, ({ status }) => status === 'delivering')
  await problemIn(await post(`/v1/deliveries/${id}/replay`), 409, 'delivery-pending')
  await problemIn(await post(`/v1/admin/deliveries/${id}/replay`, ADMIN_KEY), 409, 'delivery-pending')
  receiver.answer = answer
  release()
  expect(await deliveryOf(posthorn, job)).toMatchObject({ status: 'delivered', replay_count: 0 })
  expect(hitsAt('/pending')).toHaveLength(1)
})

describe('of two tenants', () => {
  test('each sees and replays its own only; what is the other one’s is like what is not', async () => {
    const { delivery } = await callBack('/ours', 410)
    const json = { type: 'echo', payload: {}, callback_url: `${receiver.url}/theirs` }
    const job = (await (
      await posthorn.api('/v1/jobs', { json, key: OTHER_KEY, headers: { prefer: 'respond-async' } })
    ).json()) as { id: string }
    const [hit] = await receiver.waitFor(1, ({ path }) => path === '/theirs')
    expect(verified(hit as Hit, OTHER_SECRET)).toMatchObject({ data: { id: job.id } })
    expect(() => verified(hit as Hit, SIGNING_SECRET)).toThrow('No matching signature')

    const foreign = [`/v1/jobs/${job.id}`, `/v1/jobs/${job.id}/status`, `/v1/jobs/${job.id}/result`]
    for (const path of foreign) await problemIn(await posthorn.api(path), 404, 'not-found')
    await problemIn(await post(`/v1/jobs/${job.id}/cancel`), 404, 'not-found')
    await problemIn(await posthorn.api(`/v1/jobs/${job.id}`, { method: 'DELETE' }), 404, 'not-found')
    for (const list of ['/v1/jobs', '/v1/deliveries']) {
      expect(await (await posthorn.api(`${list}?limit=200`)).text()).not.toContain(job.id)
    }

    const strip = (problem: object) => ({ ...problem, debug_id: '', instance: '' })
    const path = (id: string) => `/v1/deliveries/${id}/replay`
    const theirs = await problemIn(await post(path(delivery.id), OTHER_KEY), 404, 'not-found')
    const unknown = await problemIn(
      await post(path('dlv_01a1ffc0c0da7000b3a576e7e9b76ae0'), OTHER_KEY),
      404,
      'not-found',
    )
    expect(strip(theirs)).toEqual(strip(unknown))
    await problemIn(await posthorn.api(`/v1/deliveries/${delivery.id}`, { key: OTHER_KEY }), 404, 'not-found')
    expect(hitsAt('/ours')).toHaveLength(1)
  })
})
