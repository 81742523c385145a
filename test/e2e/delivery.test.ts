import { Webhook as SvixWebhook } from 'svix'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { LATE_MS } from '../support/late.ts'
import { type Hit, type Receiver, startReceiver, status, verified } from '../support/receiver.ts'
import { finished, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '1500ms,50ms' })
  receiver = await startReceiver()
})
afterEach(() => {
  receiver.answer = status(200)
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

async function deliver(path: string, more: object = {}, headers: Record<string, string> = {}): Promise<Hit> {
  const json = { type: 'echo', payload: { name: 'Zoë ☃ 🚀' }, callback_url: `${receiver.url}${path}` }
  await posthorn.submit({ ...json, ...more }, headers)
  const [hit] = await receiver.waitFor(1, (one) => one.path === path)
  return hit as Hit
}

describe('a callback', () => {
  test('is verified by the official library over the bytes that came, and no others', async () => {
    const hit = await deliver('/signed')
    const event = verified(hit, SIGNING_SECRET)
    expect(event).toMatchObject({ type: 'job.completed', data: { status: 'completed', result: { name: 'Zoë ☃ 🚀' } } })
    expect(Object.keys(event)).toEqual(['type', 'timestamp', 'data'])
    const reserialised = { ...hit, body: JSON.stringify(JSON.parse(hit.body), null, 1) }
    expect(() => verified(reserialised, SIGNING_SECRET)).toThrow('No matching signature')
    expect(() => verified(hit, 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD')).toThrow('No matching signature')
    const moved = { ...hit, headers: { ...hit.headers, 'webhook-id': 'evt_other' } }
    expect(() => verified(moved, SIGNING_SECRET)).toThrow('No matching signature')
  })

  test("is verified by Svix's library, too", async () => {
    const hit = await deliver('/svix')
    const svix = new SvixWebhook(SIGNING_SECRET)
    const headers = hit.headers as Record<string, string>
    expect(() => svix.verify(hit.body, headers)).not.toThrow()
    expect(() => svix.verify(`${hit.body} `, headers)).toThrow('No matching signature')
  })

  test('has the headers of Standard Webhooks in their form, each once', async () => {
    const { headers, at } = await deliver('/headers')
    expect(headers['webhook-id']).toMatch(/^evt_[A-Za-z0-9_]+$/)
    expect(headers['webhook-timestamp']).toMatch(/^\d{10}$/)
    expect(Math.abs(Number(headers['webhook-timestamp']) - at / 1000)).toBeLessThan(LATE_MS / 1000)
    expect(headers['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/)
    expect(headers['webhook-attempt']).toBe('1')
    expect(headers['webhook-max-attempts']).toBe('3')
    expect(headers).not.toHaveProperty('webhook-replay')
    expect(headers['content-type']).toBe('application/json')
    expect(headers['user-agent']).toMatch(/^Posthorn\/\d+\.\d+\.\d+/)
    expect(headers).not.toHaveProperty('authorization')
    expect(headers).not.toHaveProperty('cookie')
  })

  test('has an id of its own, that nobody but Posthorn chooses', async () => {
    const chosen = { 'idempotency-key': 'a.b.c', 'webhook-id': 'a.b.c', 'x-request-id': 'a.b.c' }
    const ids = [await deliver('/id-1', { metadata: { id: 'a.b.c' } }, chosen), await deliver('/id-2')].map(
      ({ headers }) => headers['webhook-id'],
    )
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^evt_[0-9a-f]{32}$/)
  })

  test('carries the trace of the request that made its job', async () => {
    const { headers } = await deliver('/trace', {}, { traceparent: `00-${TRACE_ID}-${PARENT}-01` })
    expect(headers.traceparent).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`))
    expect(headers.traceparent).not.toContain(PARENT)
  })

  test.each(['', 'nonsense', `00-${'0'.repeat(32)}-${PARENT}-01`, `ff-${TRACE_ID}-${PARENT}-01`])(
    'carries a trace of its own when the request had none that is valid: %j',
    async (traceparent) => {
      const { headers } = await deliver(`/trace-${traceparent.length}`, {}, { traceparent })
      expect(headers.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/)
      expect(headers.traceparent).not.toContain(TRACE_ID)
    },
  )

  test('goes to the URL as it was given, with path and query', async () => {
    const hit = await deliver('/a%20b/c?d=e&f=%2F')
    expect(hit.path).toBe('/a%20b/c?d=e&f=%2F')
  })
})

test('every attempt has the same id and bytes, a number of its own, and a signature for now', async () => {
  receiver.answer = (hit, response, count) =>
    response.writeHead(hit.path === '/thrice' && count < 99 && hit.headers['webhook-attempt'] !== '3' ? 500 : 200).end()
  await deliver('/thrice')
  const hits = await receiver.waitFor(3, ({ path }) => path === '/thrice')
  expect(hits.map(({ headers }) => headers['webhook-attempt'])).toEqual(['1', '2', '3'])
  expect(new Set(hits.map(({ body }) => body)).size).toBe(1)
  expect(new Set(hits.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  for (const hit of hits) {
    expect(verified(hit, SIGNING_SECRET).type).toBe('job.completed')
    expect(Math.abs(Number(hit.headers['webhook-timestamp']) - hit.at / 1000)).toBeLessThan(LATE_MS / 1000)
  }
  const [first, second, third] = hits as [Hit, Hit, Hit]
  expect(Number(second.headers['webhook-timestamp'])).toBeGreaterThan(Number(first.headers['webhook-timestamp']))
  expect(second.headers['webhook-signature']).not.toBe(first.headers['webhook-signature'])
  // 1.5 s and 50 ms, ± 20 %.
  expect(second.at - first.at).toBeGreaterThanOrEqual(1200)
  expect(second.at - first.at).toBeLessThan(1800 + LATE_MS)
  expect(third.at - second.at).toBeGreaterThanOrEqual(40)
  expect(third.at - second.at).toBeLessThan(60 + LATE_MS)
  // An attempt starts within a second of its time; the machine may be late for one of them.
  expect(Math.min(second.at - first.at - 1800, third.at - second.at - 60)).toBeLessThan(1200)
})

describe('callback_events', () => {
  const eventsAt = (path: string) =>
    receiver.hits.filter((hit) => hit.path === path).map((hit) => verified(hit, SIGNING_SECRET))

  test('bring the start and the progress of a job, too', async () => {
    const calls = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { url: `${receiver.url}/${name}` }]))
    const id = await posthorn.submit({
      type: 'http.aggregate',
      payload: { calls },
      callback_url: `${receiver.url}/events`,
      callback_events: ['job.started', 'job.progress', 'job.completed'],
    })
    await receiver.waitFor(3, ({ path }) => path === '/events')
    const events = eventsAt('/events')
    const one = (type: string) => events.find((event) => event.type === type)?.data
    expect(one('job.started')).toMatchObject({ id, status: 'processing', progress: 0, attempt: 1 })
    expect(one('job.progress')).toMatchObject({
      id,
      status: 'processing',
      message: expect.stringMatching(/of 3 calls/),
    })
    expect(one('job.progress')?.progress).toBeGreaterThan(0)
    expect(one('job.completed')).toMatchObject({ id, status: 'completed', progress: 100 })
    // At most one a second, and this took less.
    expect(events.filter(({ type }) => type === 'job.progress').length).toBeLessThanOrEqual(2)
    const ids = receiver.hits.filter(({ path }) => path === '/events').map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('are only those that were asked for', async () => {
    const only = { callback_url: `${receiver.url}/only`, callback_events: ['job.failed'] }
    const id = await posthorn.submit({ type: 'echo', payload: {}, ...only })
    expect(await posthorn.job(id, finished)).toMatchObject({ status: 'completed', callback: null })
    const failing = { type: 'http.request', payload: { url: 'http://127.0.0.2:1/' }, ...only }
    await posthorn.job(await posthorn.submit(failing), finished)
    await receiver.waitFor(1, ({ path }) => path === '/only')
    expect(eventsAt('/only').map(({ type }) => type)).toEqual(['job.failed'])
  })

  test('without a callback_url are not sent, and the job is done all the same', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {} })
    expect(await posthorn.job(id, finished)).toMatchObject({ status: 'completed', callback: null })
    const deliveries = await (await posthorn.api(`/v1/deliveries?job_id=${id}`)).json()
    expect(deliveries).toMatchObject({ data: [] })
  })
})
