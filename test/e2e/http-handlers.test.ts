import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LATE_MS } from '../support/late.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
let other: Receiver
beforeAll(async () => {
  posthorn = await startTestService()
  other = await startReceiver()
  receiver = await startReceiver()
  receiver.answer = ({ path, headers }, response) => {
    const before = receiver.hits.filter((hit) => hit.path === path).length - 1
    const [, first = '200', then] = (path.split('?')[0] as string).split('/')
    const code = Number(then !== undefined && before > 0 ? then : first)
    const redirect = code === 302 ? { location: `${other.url}/` } : {}
    if (path === '/200/hang') return
    if (headers['x-json']) response.setHeader('content-type', 'application/json')
    response.writeHead(code, { 'x-answer': 'yes', ...redirect }).end(headers['x-json'] ?? `answer ${code}`)
  }
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const hitsAt = (path: string) => receiver.hits.filter((hit) => hit.path === path)

async function run(type: string, payload: object, more: object = {}): Promise<JobBody> {
  return posthorn.job(await posthorn.submit({ type, payload, ...more }), finished, 15_000)
}

const request = (path: string, payload: object = {}, more: object = {}) =>
  run('http.request', { url: receiver.url + path, ...payload }, more)

describe.concurrent('http.request', () => {
  test('gets an URL', async () => {
    const job = await request('/200?get')
    expect(job).toMatchObject({
      status: 'completed',
      result: { status: 200, body: 'answer 200', headers: { 'x-answer': 'yes' } },
    })
  })

  test('sends a method, headers and JSON, and the id of its job as Idempotency-Key', async () => {
    const headers = { 'X-Custom': 'a b', 'x-json': '{"ok":[true]}' }
    const job = await request('/200?post', { method: 'POST', headers, body: { name: 'Zoë', list: [1] } })
    expect(job).toMatchObject({ status: 'completed', result: { body: { ok: [true] } } })
    const [hit] = hitsAt('/200?post')
    expect(hit?.body).toBe('{"name":"Zoë","list":[1]}')
    expect(hit?.headers).toMatchObject({
      'x-custom': 'a b',
      'content-type': 'application/json',
      'idempotency-key': job.id,
    })
    expect(hit?.headers).not.toHaveProperty('authorization')
  })

  test('sends text as it is, with the content type it is given', async () => {
    await request('/200?put', { method: 'PUT', headers: { 'Content-Type': 'text/csv' }, body: 'a;b' })
    const [hit] = hitsAt('/200?put')
    expect([hit?.body, hit?.headers['content-type']]).toEqual(['a;b', 'text/csv'])
  })

  test('gives back what says it is JSON and is not as text', async () => {
    const job = await request('/200?bad', { headers: { 'x-json': '{"half":' } })
    expect(job.result).toMatchObject({ body: '{"half":' })
  })

  test.each([400, 401, 403, 404, 409, 422])('%i fails the job at once', async (code) => {
    const job = await request(`/${code}`)
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'upstream_error', status: 502 } })
    expect(job.error).toMatchObject({ data: { status: code, body: `answer ${code}` } })
    expect(hitsAt(`/${code}`)).toHaveLength(1)
  })

  test.each([408, 429, 500, 502, 503, 504])('%i is tried again, with the same Idempotency-Key', async (code) => {
    const job = await request(`/${code}/200`)
    expect(job).toMatchObject({ status: 'completed', attempt: 2, result: { status: 200 } })
    const keys = hitsAt(`/${code}/200`).map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([job.id, job.id])
  })

  test('302 is an answer and is not followed', async () => {
    const job = await request('/302')
    expect(job).toMatchObject({ status: 'completed', result: { status: 302, headers: { location: `${other.url}/` } } })
    expect(other.hits).toEqual([])
  })

  test('a call over its timeout fails the run', async () => {
    const begin = Date.now()
    const job = await request('/200/hang', { timeout_s: 0.3 }, { max_attempts: 1 })
    expect(job).toMatchObject({ status: 'failed', error: { code: 'upstream_unreachable', status: 502 } })
    expect(Date.now() - begin).toBeLessThan(LATE_MS)
  })

  test.each(['http://10.0.0.1/', 'http://169.254.169.254/latest/', 'http://[::1]:8080/', 'http://127.0.0.1:22/'])(
    'a forbidden address fails the job at once: %s',
    async (url) => {
      const job = await run('http.request', { url })
      expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'upstream_unreachable', status: 502 } })
    },
  )

  test('an answer over 10 MiB fails the job', async () => {
    const large = await startReceiver()
    large.answer = (_hit, response) => response.end(Buffer.alloc(10 * 1024 * 1024 + 1))
    const job = await run('http.request', { url: large.url })
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'upstream_too_large' } })
    await large[Symbol.asyncDispose]()
  })

  test('drops its call when it is cancelled', async () => {
    const slow = await startReceiver()
    const dropped = Promise.withResolvers<number>()
    slow.answer = (_hit, response) => response.on('close', () => dropped.resolve(Date.now()))
    const id = await posthorn.submit({ type: 'http.request', payload: { url: slow.url } })
    await slow.waitFor(1)
    const begin = Date.now()
    expect((await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })).status).toBe(200)
    expect((await dropped.promise) - begin).toBeLessThan(LATE_MS)
    expect(await posthorn.job(id)).toMatchObject({ status: 'cancelled' })
    await slow[Symbol.asyncDispose]()
  })
})

describe.concurrent('http.aggregate', () => {
  const aggregate = (calls: object, more: object = {}) => run('http.aggregate', { calls }, more)

  test('combines the answers of several calls', async () => {
    const json = { 'x-json': '[1]' }
    const job = await aggregate({
      first: { url: `${receiver.url}/200?a`, method: 'POST', body: { a: 1 } },
      second: { url: `${receiver.url}/201?b`, headers: json },
    })
    expect(job).toMatchObject({ status: 'completed', progress: 100 })
    expect(job.result).toMatchObject({ first: { status: 200, body: 'answer 200' }, second: { status: 201, body: [1] } })
    const keys = [hitsAt('/200?a'), hitsAt('/201?b')].map(([hit]) => hit?.headers['idempotency-key'])
    expect(keys).toEqual([`${job.id}-first`, `${job.id}-second`])
  })

  test('makes its calls side by side', async () => {
    const meeting = await startReceiver()
    const waiting: (() => void)[] = []
    meeting.answer = (_hit, response) => {
      waiting.push(() => response.end('met'))
      if (waiting.length === 3) for (const go of waiting) go()
    }
    const job = await aggregate(Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { url: meeting.url }])))
    expect(job.result).toMatchObject({ a: { body: 'met' }, b: { body: 'met' }, c: { body: 'met' } })
    await meeting[Symbol.asyncDispose]()
  })

  test('fails, and says by which call', async () => {
    const job = await aggregate({ good: { url: `${receiver.url}/200` }, bad: { url: `${receiver.url}/404?bad` } })
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'upstream_error', status: 502 } })
    expect(job.error).toMatchObject({ detail: expect.stringMatching(/bad.*404/) })
    expect((job.error as { detail: string }).detail).not.toContain('good')
  })

  test('is tried again when all that failed may be', async () => {
    const job = await aggregate({ good: { url: `${receiver.url}/200` }, flaky: { url: `${receiver.url}/503/200?f` } })
    expect(job).toMatchObject({ status: 'completed', attempt: 2, result: { flaky: { status: 200 } } })
  })

  test('does without a call that is optional', async () => {
    const optional = { url: `${receiver.url}/500?optional`, optional: true }
    const job = await aggregate({ good: { url: `${receiver.url}/200` }, optional })
    expect(job).toMatchObject({ status: 'completed', attempt: 1 })
    expect(job.result).toMatchObject({ good: { status: 200 }, optional: { error: expect.stringContaining('500') } })
  })
})
