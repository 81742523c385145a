import { describe, expect, test } from 'vitest'
import { LATE_MS } from '../support/late.ts'
import { startReceiver, status, verified } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'

interface Endpoint {
  id: string
  secret: string
  enabled: boolean
  disabled_reason: string | null
}

async function register(posthorn: TestService, body: object): Promise<Endpoint> {
  const response = await posthorn.api('/v1/endpoints', { json: body })
  expect(response.status).toBe(201)
  return (await response.json()) as Endpoint
}

async function publish(posthorn: TestService, type: string, data: unknown, more: object = {}): Promise<string> {
  const response = await posthorn.api('/v1/events', { json: { type, data, ...more } })
  expect(response.status).toBe(202)
  return ((await response.json()) as { id: string }).id
}

const change = (posthorn: TestService, id: string, body: object) =>
  posthorn.api(`/v1/endpoints/${id}`, { method: 'PATCH', json: body })

const read = async (posthorn: TestService, id: string): Promise<Endpoint> =>
  (await (await posthorn.api(`/v1/endpoints/${id}`)).json()) as Endpoint

describe('an event', () => {
  test('goes to every endpoint that subscribes to its type, signed with that endpoint’s own secret', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const all = await register(posthorn, { url: `${receiver.url}/all` })
    const orders = await register(posthorn, { url: `${receiver.url}/orders`, event_types: ['order.*'] })
    await register(posthorn, { url: `${receiver.url}/none`, event_types: ['invoice.paid'] })
    const id = await publish(posthorn, 'order.paid', { n: 1 })
    const hits = await receiver.waitFor(2)
    expect(hits.map(({ path }) => path).sort()).toEqual(['/all', '/orders'])
    for (const hit of hits) {
      expect(hit.headers['webhook-id']).toBe(id)
      expect(verified(hit, hit.path === '/all' ? all.secret : orders.secret)).toMatchObject({
        type: 'order.paid',
        data: { n: 1 },
      })
    }
  })

  test('is delivered byte for byte as it was sent', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    await register(posthorn, { url: receiver.url })
    const data = '{ "b":1, "a" : 9007199254740993, "a": "\\u00e9é", "x":[1.0, -0] }'
    const body = `{"key":"k", "data":${data} ,"type":"order.paid"}`
    const headers = { 'content-type': 'application/json' }
    expect((await posthorn.api('/v1/events', { method: 'POST', body, headers })).status).toBe(202)
    const [hit] = await receiver.waitFor(1)
    expect(hit?.body).toContain(`"data":${data}}`)
  })

  test('is made once for each idempotency key', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    await register(posthorn, { url: receiver.url })
    const send = () =>
      posthorn.api('/v1/events', { json: { type: 'a.b', data: 1 }, headers: { 'idempotency-key': 'k' } })
    const first = await send()
    const second = await send()
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    await publish(posthorn, 'a.c', 2)
    await receiver.waitFor(2)
    expect(receiver.hits).toHaveLength(2)
  })

  test.each(['job.completed', 'endpoint.x', 'delivery.dead', 'webhook.test', 'backlog.high', 'batch.done'])(
    'of the platform’s own type %s is refused',
    async (type) => {
      await using posthorn = await startTestService()
      const response = await posthorn.api('/v1/events', { json: { type, data: {} } })
      expect(response.status).toBe(422)
    },
  )
})

describe('an endpoint', () => {
  test('gets its own headers, and shows their names only', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const { id } = await register(posthorn, { url: receiver.url, headers: { 'X-Api-Key': 's3cret' } })
    await publish(posthorn, 'a.b', 1)
    const [hit] = await receiver.waitFor(1)
    expect(hit?.headers['x-api-key']).toBe('s3cret')
    expect(await read(posthorn, id)).toMatchObject({ headers: { 'x-api-key': '***' } })
  })

  test.each([
    { host: 'x' },
    { 'webhook-id': 'x' },
    { 'x-a': 'b\r\nc: d' },
    { 'content-length': '1' },
    { '': 'x' },
    { 'x-a': 'ü' },
  ])('is refused with the headers %o', async (headers) => {
    await using posthorn = await startTestService()
    const response = await posthorn.api('/v1/endpoints', { json: { url: 'https://example.com', headers } })
    expect(response.status).toBe(400)
  })

  test('holds its deliveries while it is disabled, and sends them when it is enabled', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const { id } = await register(posthorn, { url: receiver.url, enabled: false })
    for (let n = 0; n < 3; n++) await publish(posthorn, 'a.b', { n })
    const held = (await (await posthorn.api(`/v1/deliveries?endpoint_id=${id}&status=held`)).json()) as {
      data: unknown[]
    }
    expect(held.data).toHaveLength(3)
    expect((await change(posthorn, id, { enabled: true })).status).toBe(200)
    await receiver.waitFor(3)
  })

  test('that says it is gone is disabled', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    receiver.answer = status(410)
    const { id } = await register(posthorn, { url: receiver.url })
    await publish(posthorn, 'a.b', 1)
    await expect.poll(() => read(posthorn, id)).toMatchObject({ enabled: false, disabled_reason: 'gone' })
  })

  test('signs with both secrets after a rotation, the new one first, until the overlap is over', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const { id, secret: old } = await register(posthorn, { url: receiver.url })
    const response = await posthorn.api(`/v1/endpoints/${id}/rotate-secret`, { json: { overlap_s: 60 } })
    const { secret } = (await response.json()) as Endpoint
    expect(secret).not.toBe(old)
    await publish(posthorn, 'a.b', 1)
    const [hit] = await receiver.waitFor(1)
    if (hit === undefined) throw new Error('no hit')
    expect(verified(hit, secret)).toMatchObject({ type: 'a.b' })
    expect(verified(hit, old)).toMatchObject({ type: 'a.b' })
    expect(String(hit.headers['webhook-signature']).split(' ')).toHaveLength(2)
    await posthorn.api(`/v1/endpoints/${id}/rotate-secret`, { json: { overlap_s: 0 } })
    await publish(posthorn, 'a.b', 2)
    const [, second] = await receiver.waitFor(2)
    expect(String(second?.headers['webhook-signature']).split(' ')).toHaveLength(1)
  })

  test('has its own retry schedule', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    receiver.answer = status(500)
    await register(posthorn, { url: receiver.url, retry_schedule: [0.1, 0.1] })
    await publish(posthorn, 'a.b', 1)
    const hits = await receiver.waitFor(3)
    expect(hits.at(-1)?.headers).toMatchObject({ 'webhook-attempt': '3', 'webhook-max-attempts': '3' })
  })

  test('that is deleted is gone, and what waited for it is dead', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const { id } = await register(posthorn, { url: receiver.url, enabled: false })
    await publish(posthorn, 'a.b', 1)
    expect((await posthorn.api(`/v1/endpoints/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await posthorn.api(`/v1/endpoints/${id}`)).status).toBe(404)
    const dead = async () =>
      ((await (await posthorn.api('/v1/deliveries?reason=endpoint_deleted')).json()) as { data: unknown[] }).data.length
    await expect.poll(dead, { timeout: 10_000 }).toBe(1)
  })

  test('keeps the order of a key, through failures', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    receiver.answer = (_hit, response, count) => response.writeHead(count % 3 === 0 ? 500 : 204).end()
    await register(posthorn, { url: receiver.url, ordering: 'fifo', retry_schedule: Array(9).fill(0.02) })
    for (let n = 0; n < 12; n++) await publish(posthorn, 'a.b', { n }, { key: n % 2 === 0 ? 'even' : 'odd' })
    const seen = () => {
      const numbers = receiver.hits.map(({ body }) => (JSON.parse(body) as { data: { n: number } }).data.n)
      return [...new Set(numbers)]
    }
    await expect.poll(() => seen().length, { timeout: 15_000 }).toBe(12)
    expect(seen().filter((n) => n % 2 === 0)).toEqual([0, 2, 4, 6, 8, 10])
    expect(seen().filter((n) => n % 2 === 1)).toEqual([1, 3, 5, 7, 9, 11])
  })

  test('is not sent to faster than its rate', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    await register(posthorn, { url: receiver.url, rate_limit_per_s: 20 })
    const start = Date.now()
    for (let n = 0; n < 30; n++) await publish(posthorn, 'a.b', { n })
    const hits = await receiver.waitFor(30)
    const seconds = ((hits.at(-1)?.at ?? 0) - start) / 1000
    expect(30 / seconds).toBeLessThanOrEqual(20 * 1.15)
    expect(seconds).toBeLessThan(30 / 20 + LATE_MS / 1000)
  })
})

describe('the platform tells', () => {
  const types = (hits: { body: string }[]) => hits.map(({ body }) => (JSON.parse(body) as { type: string }).type)

  test('those who subscribe to it of a delivery that died and of an endpoint that was disabled, and no further', async () => {
    await using posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '10ms' })
    await using broken = await startReceiver()
    await using ops = await startReceiver()
    broken.answer = status(410)
    ops.answer = status(500)
    const { id } = await register(posthorn, { url: broken.url, event_types: ['order.*'] })
    await register(posthorn, { url: ops.url, event_types: ['delivery.dead', 'endpoint.*'] })
    const eventId = await publish(posthorn, 'order.paid', 1)
    const hits = await ops.waitFor(4)
    expect(types(hits).sort()).toEqual(['delivery.dead', 'delivery.dead', 'endpoint.disabled', 'endpoint.disabled'])
    const dead = hits.map(({ body }) => JSON.parse(body)).find(({ type }) => type === 'delivery.dead')
    expect(dead.data).toMatchObject({ endpoint_id: id, event_id: eventId, event_type: 'order.paid', reason: 'gone' })
    // Those deliveries die, too, and cause none.
    const ended = async () =>
      ((await (await posthorn.api('/v1/deliveries?status=dead')).json()) as { data: unknown[] }).data.length
    await expect.poll(ended).toBe(3)
    expect(new Set(ops.hits.map(({ headers }) => headers['webhook-id'])).size).toBe(2)
  })
})

describe('a test event', () => {
  test('is sent at once, and its attempt told with the time of each phase', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    receiver.answer = status(418, { 'x-tea': 'pot' })
    const { id, secret } = await register(posthorn, { url: receiver.url, enabled: false, headers: { 'x-key': 'hush' } })
    const response = await posthorn.api(`/v1/endpoints/${id}/test`, { method: 'POST' })
    expect(response.status).toBe(200)
    const told = (await response.json()) as { event_id: string; attempt: Record<string, unknown> }
    expect(told.attempt).toMatchObject({ outcome: 'failed', status: 418, error: { class: 'http_status' } })
    expect(told.attempt.request_headers).toMatchObject({ 'webhook-id': told.event_id, 'x-key': '***' })
    expect(told.attempt.phases_ms).toMatchObject({ total: expect.any(Number), connect: expect.any(Number) })
    const [hit] = await receiver.waitFor(1)
    if (hit === undefined) throw new Error('no hit')
    expect(verified(hit, secret)).toMatchObject({ type: 'webhook.test', data: { endpoint_id: id } })
  })
})

describe('a job', () => {
  test('calls back a registered endpoint, signed with its secret', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const { id, secret } = await register(posthorn, { url: receiver.url, event_types: ['order.*'] })
    await posthorn.submit({ type: 'echo', payload: { a: 1 }, callback: { endpoint_id: id } })
    const [hit] = await receiver.waitFor(1)
    if (hit === undefined) throw new Error('no hit')
    expect(verified(hit, secret)).toMatchObject({ type: 'job.completed', data: { result: { a: 1 } } })
  })

  test('is refused with an endpoint that is not there, and with two places to call back', async () => {
    await using posthorn = await startTestService()
    const json = { type: 'echo', payload: {}, callback: { endpoint_id: 'ep_none' } }
    expect((await posthorn.api('/v1/jobs', { json })).status).toBe(422)
    const both = { ...json, callback_url: 'https://example.com' }
    expect((await posthorn.api('/v1/jobs', { json: both })).status).toBe(400)
  })

  test('that was accepted once is answered as then, though its endpoint is gone', async () => {
    await using posthorn = await startTestService()
    await using receiver = await startReceiver()
    const { id } = await register(posthorn, { url: receiver.url })
    const json = { type: 'echo', payload: {}, callback: { endpoint_id: id } }
    const submit = () => posthorn.api('/v1/jobs', { json, headers: { 'idempotency-key': 'k' } })
    const first = await (await submit()).text()
    await receiver.waitFor(1)
    await posthorn.api(`/v1/endpoints/${id}`, { method: 'DELETE' })
    expect(await (await submit()).text()).toBe(first)
  })
})
