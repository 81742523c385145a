import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Client,
  createClient,
  type Fetch,
  type Job,
  JobCancelled,
  type JobEvent,
  JobFailed,
  verifyCallback,
} from '../../src/client/index.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { API_KEY, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'
import { rejection } from './scripted.ts'

// The client against the service itself.

let service: TestService
let receiver: Receiver
let posthorn: Client
beforeAll(async () => {
  service = await startTestService()
  receiver = await startReceiver()
  posthorn = createClient({ url: service.url, apiKey: API_KEY })
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await service[Symbol.asyncDispose]()
})

const later = { runAt: new Date('2099-01-01T00:00:00Z') }

describe('a job', () => {
  test('is run, and its result comes back', async () => {
    expect(await posthorn.run('echo', { text: 'Zoë ☃ 🚀' }, { timeoutMs: 15_000 })).toEqual({ text: 'Zoë ☃ 🚀' })
  })

  test('with a result over 256 KiB is run just the same', async () => {
    const payload = { text: 'é'.repeat(200_000) }
    const job = await posthorn.submit('echo', payload)
    expect(await posthorn.wait(job.id)).toEqual(payload)
    expect(await posthorn.result(job.id)).toEqual(payload)
    expect(await posthorn.job(job.id)).toHaveProperty('result_url')
  })

  test('costs one request to submit and one to wait for, which is held until it ends', async () => {
    const paths: string[] = []
    const counting: Fetch = (url, init) => {
      paths.push(`${init.method} ${new URL(url).pathname}`)
      return fetch(url, init)
    }
    const client = createClient({ url: service.url, apiKey: API_KEY, fetch: counting })
    const { id } = await client.submit('echo', { delay_ms: 300 })
    expect(await client.wait(id)).toEqual({ delay_ms: 300 })
    expect(paths).toEqual(['POST /v1/jobs', `GET /v1/jobs/${id}`])
  })

  test('tells what happens to it, and again from where the caller stopped', async () => {
    const { id } = await posthorn.submit('echo', { a: 1, delay_ms: 200 })
    const events: JobEvent[] = []
    for await (const event of posthorn.events(id)) events.push(event)
    expect(events.at(0)).toMatchObject({ type: 'job.started', data: { id } })
    expect(events.at(-1)).toMatchObject({ type: 'job.completed', data: { id, result: { a: 1 } } })
    const again: JobEvent[] = []
    for await (const event of posthorn.events(id, { lastEventId: events[0]?.id })) again.push(event)
    expect(again).toEqual(events.slice(1))
    const none = posthorn.events(id, { lastEventId: events.at(-1)?.id })
    expect(await none.next()).toEqual({ done: true, value: undefined })
  })

  test('shows its progress until it is completed', async () => {
    const seen: Job[] = []
    await posthorn.run('echo', { delay_ms: 50 }, { onProgress: (job) => seen.push(job) })
    expect(seen.at(-1)).toMatchObject({ status: 'completed', progress: 100 })
  })

  test('that fails throws what its handler reported', async () => {
    receiver.answer = (_hit, response) => response.writeHead(404).end('no such thing')
    const error = await rejection(posthorn.run('http.request', { url: receiver.url }))
    expect(error).toBeInstanceOf(JobFailed)
    expect(error).toMatchObject({ code: 'upstream_error', status: 502, error: { data: { status: 404 } } })
  })

  test('submitted twice with one key is one job', async () => {
    const idempotencyKey = crypto.randomUUID()
    const first = await posthorn.submit('echo', { once: true }, { idempotencyKey })
    await posthorn.wait(first.id)
    expect(await posthorn.submit('echo', { once: true }, { idempotencyKey })).toEqual(first)
    const other = rejection(posthorn.submit('echo', { once: false }, { idempotencyKey }))
    expect(await other).toMatchObject({
      status: 422,
      code: 'idempotency-key-reused',
      debugId: expect.stringMatching(/./),
    })
  })

  test('that is cancelled stays so, and there is nothing to wait for', async () => {
    const { id } = await posthorn.submit('echo', {}, later)
    expect(await posthorn.cancel(id)).toMatchObject({ id, status: 'cancelled' })
    expect(await posthorn.cancel(id)).toMatchObject({ id, status: 'cancelled' })
    expect(await rejection(posthorn.wait(id))).toBeInstanceOf(JobCancelled)
  })

  test('that is completed cannot be cancelled', async () => {
    const { id } = await posthorn.submit('echo', {})
    await posthorn.wait(id)
    expect(await rejection(posthorn.cancel(id))).toMatchObject({ status: 409, code: 'job-finished' })
  })

  test('that is not finished has no result yet', async () => {
    const { id } = await posthorn.submit('echo', {}, later)
    expect(await rejection(posthorn.result(id))).toMatchObject({ status: 404, code: 'result-not-ready' })
    await posthorn.cancel(id)
  })

  test('that nobody knows is 404', async () => {
    expect(await rejection(posthorn.job('job_unknown'))).toMatchObject({ status: 404, code: 'not-found' })
  })

  test('of no known type is refused with what is wrong', async () => {
    expect(await rejection(posthorn.submit('no.such.type', {}))).toMatchObject({
      status: 422,
      code: 'unknown-job-type',
    })
    const bad = rejection(posthorn.submit('http.request', { url: 5 }))
    expect(await bad).toMatchObject({ status: 400, details: [{ field: '/payload/url', location: 'body' }] })
  })
})

test('a callback is verified from what a server of Node got', async () => {
  receiver.answer = (_hit, response) => response.end()
  const { id } = await posthorn.submit(
    'echo',
    { é: '☃' },
    { callbackUrl: `${receiver.url}/hook`, metadata: { order: '42' } },
  )
  const [hit] = await receiver.waitFor(1, ({ path }) => path === '/hook')
  const { headers = {}, body = '' } = hit ?? {}
  const event = await verifyCallback({ headers, body, secret: SIGNING_SECRET })
  expect(event.id).toBe(headers['webhook-id'])
  expect(event).toMatchObject({
    type: 'job.completed',
    data: { id, status: 'completed', result: { é: '☃' }, metadata: { order: '42' } },
  })
})

test('jobs are listed over all pages, the newest first', async () => {
  // The service's clock is its own.
  const since = new Date(Date.now() - 60_000)
  const ids: string[] = []
  for (let i = 0; i < 5; i++)
    ids.unshift((await posthorn.submit('echo', { i }, { ...later, metadata: { list: 'me' } })).id)
  const listed: string[] = []
  for await (const job of posthorn.list({ status: 'pending', type: 'echo', createdAfter: since, pageSize: 2 })) {
    if (job.metadata.list === 'me') listed.push(job.id)
  }
  expect(listed).toEqual(ids)
  for (const id of ids) await posthorn.cancel(id)
})

describe('a file', () => {
  const bytes = new TextEncoder().encode('Zoë ☃ 🚀')
  const stream = () => new Blob([bytes]).stream()

  test.each([
    ['text', () => 'Zoë ☃ 🚀'],
    ['bytes', () => bytes],
    ['an ArrayBuffer', () => bytes.buffer],
    ['a Blob', () => new Blob([bytes])],
    ['a stream', stream],
  ])('is uploaded from %s and comes back as it was', async (_what, body) => {
    const file = await posthorn.files.upload(body(), { contentType: 'text/x-test' })
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(file).toMatchObject({ size: bytes.length, sha256, content_type: 'text/x-test' })
    const response = await posthorn.files.download(file.id)
    expect(response.headers.get('content-type')).toBe('text/x-test')
    expect(await response.text()).toBe('Zoë ☃ 🚀')
  })

  test('has the type of its Blob, or none', async () => {
    const blob = new Blob(['{}'], { type: 'application/json' })
    expect(await posthorn.files.upload(blob)).toMatchObject({ content_type: 'application/json' })
    expect(await posthorn.files.upload('x')).toMatchObject({ content_type: 'application/octet-stream' })
  })

  test('is read in part', async () => {
    const { id } = await posthorn.files.upload('0123456789')
    const part = async (range: { start: number; end?: number }) => (await posthorn.files.download(id, { range })).text()
    expect(await part({ start: 2, end: 4 })).toBe('234')
    expect(await part({ start: 7 })).toBe('789')
    expect(await rejection(part({ start: 10 }))).toMatchObject({ status: 416 })
  })
})
