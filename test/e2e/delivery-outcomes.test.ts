import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DeadLetterBody, type DeliveryBody, deliveryOf } from '../support/deliveries.ts'
import { LATE_MS } from '../support/late.ts'
import { type Answer, type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, startTestService, type TestService } from '../support/service.ts'

const TIMEOUT = { POSTHORN_ATTEMPT_TIMEOUT: '800ms', POSTHORN_GRACE: '2s' }

let posthorn: TestService
let other: Receiver
const receivers: Receiver[] = []
beforeAll(async () => {
  posthorn = await startTestService({ ...TIMEOUT, POSTHORN_RETRY_SCHEDULE: '50ms,50ms' })
  other = await startReceiver()
})
afterAll(async () => {
  for (const receiver of [...receivers, other]) await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

/** Each case has a receiver, and so a lane, of its own. */
async function deliverTo(answer: Answer): Promise<{ receiver: Receiver; delivery: DeliveryBody }> {
  const receiver = await startReceiver()
  receivers.push(receiver)
  receiver.answer = answer
  const json = { type: 'echo', payload: {}, callback_url: `${receiver.url}/hook` }
  return { receiver, delivery: await deliveryOf(posthorn, await posthorn.submit(json)) }
}

async function deadLetterOf({ id }: DeliveryBody): Promise<DeadLetterBody | undefined> {
  const response = await posthorn.api('/v1/admin/dead-letters?limit=200', { key: ADMIN_KEY })
  const { data } = (await response.json()) as { data: DeadLetterBody[] }
  return data.find(({ delivery_id }) => delivery_id === id)
}

describe.concurrent('is delivered at once:', () => {
  test.each([200, 201, 202, 204, 206, 299])('%i', async (code) => {
    const { receiver, delivery } = await deliverTo((_hit, response) => response.writeHead(code).end())
    expect(delivery).toMatchObject({ status: 'delivered', last_status: code, last_error: null, next_attempt_at: null })
    expect(delivery.attempts).toMatchObject([{ number: 1, outcome: 'delivered', status: code, error: null }])
    expect(receiver.hits).toHaveLength(1)
    expect(await deadLetterOf(delivery)).toBeUndefined()
  })

  test('200 whose body never ends, as its headers are complete', async () => {
    const { receiver, delivery } = await deliverTo((_hit, response) => response.writeHead(200).write('…'))
    expect(delivery).toMatchObject({ status: 'delivered', last_status: 200 })
    expect(receiver.hits).toHaveLength(1)
  })

  test('200 that asks for no further attempt', async () => {
    const abort = { 'webhook-delivery': 'abort' }
    const { delivery } = await deliverTo((_hit, response) => response.writeHead(200, abort).end())
    expect(delivery).toMatchObject({ status: 'delivered' })
  })
})

describe.concurrent('is tried by the schedule, and then is a dead letter:', () => {
  test.each([
    300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 408, 409, 415, 418, 422, 429, 500, 501, 502, 503, 504,
  ])('%i', async (code) => {
    const location = code < 304 || code === 307 || code === 308 ? { location: `${other.url}/${code}` } : {}
    const { receiver, delivery } = await deliverTo((_hit, response) => response.writeHead(code, location).end())
    expect(delivery).toMatchObject({ status: 'dead', last_status: code, attempt_count: 3 })
    expect(delivery.attempts.map((one) => [one.number, one.outcome, one.status])).toEqual([
      [1, 'failed', code],
      [2, 'failed', code],
      [3, 'failed', code],
    ])
    expect(delivery.last_error?.text).toContain(String(code))
    expect(await deadLetterOf(delivery)).toMatchObject({
      reason: 'exhausted',
      last_status: code,
      error_class: code < 400 ? 'redirect' : 'http_status',
      fingerprint: `http_${code}`,
      attempts: 3,
      replayed_at: null,
    })
    expect(receiver.hits).toHaveLength(3)
    // Redirects are not followed.
    expect(other.hits.map(({ path }) => path)).not.toContain(`/${code}`)
  })

  test.each<[string, string, Answer]>([
    ['no answer', 'timeout', () => {}],
    ['an answer that drips', 'timeout', (_hit, response) => void response.socket?.write('HTTP/1.1 200 OK\r\nx-slow: ')],
    ['a connection that is cut', 'reset', (_hit, response) => void response.socket?.resetAndDestroy()],
    ['what is not HTTP', 'protocol', (_hit, response) => void response.socket?.end('SSH-2.0-OpenSSH_9.9\r\n')],
  ])('%s: %s', async (_name, errorClass, answer) => {
    const { delivery } = await deliverTo(answer)
    expect(delivery).toMatchObject({ status: 'dead', last_status: null, last_error: { class: errorClass } })
    expect(delivery.attempts).toHaveLength(3)
    for (const attempt of delivery.attempts) {
      expect(attempt).toMatchObject({ status: null, response_headers: null, error: { class: errorClass } })
      expect(attempt.error?.text).toMatch(/\S/)
      expect(attempt.duration_ms).toBeLessThan(800 + LATE_MS)
    }
    expect(await deadLetterOf(delivery)).toMatchObject({
      reason: 'exhausted',
      last_status: null,
      error_class: errorClass,
    })
  })

  test('nobody listening: connect', async () => {
    const gone = await startReceiver()
    await gone[Symbol.asyncDispose]()
    const json = { type: 'echo', payload: {}, callback_url: gone.url }
    const delivery = await deliveryOf(posthorn, await posthorn.submit(json))
    expect(delivery).toMatchObject({ status: 'dead', last_error: { class: 'connect' } })
    expect(delivery.last_error?.text).toContain('ECONNREFUSED')
  })
})

describe.concurrent('is given up at once:', () => {
  test('410 is gone', async () => {
    const { receiver, delivery } = await deliverTo((_hit, response) => response.writeHead(410).end())
    expect(delivery).toMatchObject({ status: 'dead', attempt_count: 1 })
    expect(await deadLetterOf(delivery)).toMatchObject({ reason: 'gone', last_status: 410, attempts: 1 })
    expect(receiver.hits).toHaveLength(1)
  })

  test.each(['abort', 'disable'])('webhook-delivery: %s is rejected', async (value) => {
    const { receiver, delivery } = await deliverTo((_hit, response) =>
      response.writeHead(500, { 'webhook-delivery': value }).end(),
    )
    expect(delivery).toMatchObject({ status: 'dead', attempt_count: 1 })
    expect(await deadLetterOf(delivery)).toMatchObject({ reason: 'rejected', last_status: 500 })
    expect(receiver.hits).toHaveLength(1)
  })

  test('a 410 of one job does not stop the next one to the same place', async () => {
    const { receiver } = await deliverTo((_hit, response, count) => response.writeHead(count === 0 ? 410 : 200).end())
    const id = await posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}/hook` })
    expect(await deliveryOf(posthorn, id)).toMatchObject({ status: 'delivered' })
  })
})

test('a job is completed though its callback is dead', async () => {
  const { delivery } = await deliverTo((_hit, response) => response.writeHead(410).end())
  const { job_id: id } = delivery as DeliveryBody & { job_id: string }
  expect(await posthorn.job(id)).toMatchObject({
    status: 'completed',
    callback: { status: 'dead', delivery_id: delivery.id },
  })
})
