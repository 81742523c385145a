import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DeadLetterBody, type DeliveryBody, deliveryOf } from '../support/deliveries.ts'
import { type Receiver, startReceiver, status } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '50ms' })
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const submit = (path: string, more: object = {}) =>
  posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}${path}`, ...more })

async function list(query: string): Promise<{ data: DeliveryBody[]; next_cursor: string | null }> {
  return (await (await posthorn.api(`/v1/deliveries?${query}`)).json()) as Awaited<ReturnType<typeof list>>
}

test('an attempt is recorded with all that was sent and came back', async () => {
  receiver.answer = (_hit, response, count) =>
    response
      .writeHead(count === 0 ? 500 : 200, { 'x-node': 'a', 'content-type': 'text/plain' })
      .end(`answer ${count} é`)
  const delivery = await deliveryOf(posthorn, await submit('/recorded'))
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(delivery).toMatchObject({ status: 'delivered', attempt_count: 2, replay_count: 0, finished_at: time })
  const [failed, delivered] = delivery.attempts
  expect(failed).toMatchObject({
    number: 1,
    outcome: 'failed',
    started_at: time,
    remote_address: `127.0.0.1:${receiver.port}`,
    status: 500,
    response_headers: { 'x-node': 'a', 'content-type': 'text/plain' },
    response_body: 'answer 0 é',
    response_truncated: false,
    error: { class: 'http_status', text: 'The receiver answered 500.' },
    next_attempt_at: time,
  })
  expect(delivered).toMatchObject({ number: 2, outcome: 'delivered', status: 200, error: null, next_attempt_at: null })
  const { firstByte, total } = failed?.phases_ms ?? {}
  expect(total).toBeGreaterThan(0)
  expect(firstByte).toBeLessThanOrEqual(total as number)
  expect(failed?.phases_ms).toHaveProperty('dns')
  expect(failed?.phases_ms).toHaveProperty('connect')
  expect(failed?.phases_ms.tls).toBeNull()
  const [hit] = receiver.hits.filter(({ path }) => path === '/recorded')
  for (const name of ['webhook-id', 'webhook-signature', 'webhook-timestamp', 'traceparent']) {
    expect([name, failed?.request_headers[name]]).toEqual([name, hit?.headers[name]])
  }
  expect(JSON.stringify(delivery)).not.toContain(API_KEY)
})

test('at most 16 KiB of an answer are kept', async () => {
  receiver.answer = (_hit, response) => response.end('x'.repeat(100_000))
  const [attempt] = (await deliveryOf(posthorn, await submit('/long'))).attempts
  expect(attempt).toMatchObject({ outcome: 'delivered', response_truncated: true })
  expect(attempt?.response_body).toBe('x'.repeat(16 * 1024))
  receiver.answer = (_hit, response) => response.end('x'.repeat(16 * 1024))
  const [whole] = (await deliveryOf(posthorn, await submit('/just'))).attempts
  expect(whole).toMatchObject({ response_truncated: false, response_body: 'x'.repeat(16 * 1024) })
})

test('an answer is kept as it came, not decoded', async () => {
  receiver.answer = (_hit, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('not gzip')
  const [attempt] = (await deliveryOf(posthorn, await submit('/gzip'))).attempts
  expect(attempt).toMatchObject({ outcome: 'delivered', response_body: 'not gzip' })
})

test('a name that is the loopback address is reached by the address that is allowed', async () => {
  receiver.answer = status(200)
  const url = `http://localhost:${receiver.port}/by-name`
  const delivery = await deliveryOf(posthorn, await posthorn.submit({ type: 'echo', payload: {}, callback_url: url }))
  expect(delivery).toMatchObject({ status: 'delivered', url })
  expect(delivery.attempts[0]?.remote_address).toBe(`127.0.0.1:${receiver.port}`)
})

test('an address that is no longer allowed is blocked at the attempt, and nothing is sent', async () => {
  const first = await startTestService({ POSTHORN_RETRY_SCHEDULE: '1s' })
  receiver.answer = status(500)
  const hook = `${receiver.url}/blocked`
  const id = await first.submit({ type: 'echo', payload: {}, callback_url: hook })
  await receiver.waitFor(1, ({ path }) => path === '/blocked')
  await deliveryOf(first, id, ({ attempts }) => attempts.length === 1)
  await first.service.stop()
  await using second = await startTestService({ POSTHORN_EGRESS_ALLOW: '' }, first.folder)
  const delivery = await deliveryOf(second, id)
  expect(delivery).toMatchObject({ status: 'dead', last_error: { class: 'blocked_address' } })
  expect(delivery.attempts.at(-1)).toMatchObject({ status: null, remote_address: null, outcome: 'failed' })
  const letters = await second.api('/v1/admin/dead-letters', { key: ADMIN_KEY })
  expect(((await letters.json()) as { data: DeadLetterBody[] }).data).toMatchObject([{ reason: 'blocked_address' }])
  expect(receiver.hits.filter(({ path }) => path === '/blocked')).toHaveLength(1)
  await rm(first.folder, { recursive: true })
})

test('deliveries are listed, the newest first, by job, event type, status, endpoint, reason and time', async () => {
  receiver.answer = ({ path }, response) => response.writeHead(path === '/gone' ? 410 : 200).end()
  const events = { callback_events: ['job.started', 'job.completed'] }
  const job = await submit('/listed', events)
  await receiver.waitFor(2, ({ path }) => path === '/listed')
  const gone = await deliveryOf(posthorn, await submit('/gone'))
  const ofJob = (await list(`job_id=${job}`)).data as (DeliveryBody & Record<string, string>)[]
  expect(ofJob.map(({ event_type }) => event_type)).toEqual(['job.completed', 'job.started'])
  expect((await list(`job_id=${job}&event_type=job.started`)).data.map(({ id }) => id)).toEqual([ofJob[1]?.id])
  expect((await list('reason=gone')).data.map(({ id }) => id)).toEqual([gone.id])
  expect((await list('status=dead&limit=1')).data.map(({ id }) => id)).toEqual([gone.id])
  expect((await list(`status=dead&job_id=${job}`)).data).toEqual([])
  expect((await list(`endpoint_id=${ofJob[0]?.endpoint_id}&limit=1`)).data.map(({ id }) => id)).toEqual([gone.id])
  expect((await list('endpoint_id=ep_unknown')).data).toEqual([])
  expect((await list('after=2099-01-01T00:00:00Z')).data).toEqual([])
  expect((await list('before=2001-01-01T00:00:00Z')).data).toEqual([])
  const all = (await list('limit=200')).data.map(({ id }) => id)
  expect(all).toEqual(all.toSorted().toReversed())
  const first = await list('limit=2')
  const second = await list(`limit=2&cursor=${first.next_cursor}`)
  expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(all.slice(0, 4))
})
