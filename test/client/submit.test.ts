import { describe, expect, test } from 'vitest'
import { createClient, PosthornError } from '../../src/client/index.ts'
import { type Answer, status } from '../support/receiver.ts'
import { accepted, json, lost, problem, rejection, scripted, silence } from './scripted.ts'
import { stoppedClock } from './skipping-clock.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('a submission', () => {
  test('prefers respond-async, with the key of the API and an idempotency key of its own', async () => {
    await using posthorn = await scripted([accepted])
    expect(await posthorn.client.submit('echo', { a: 1 })).toEqual({ id: 'job_1', type: 'echo', links: [] })
    await posthorn.client.submit('echo', { a: 1 })
    const [first, second] = posthorn.hits
    expect(first).toMatchObject({
      path: '/v1/jobs',
      body: '{"type":"echo","payload":{"a":1}}',
      headers: { authorization: 'Bearer the-key', 'content-type': 'application/json', prefer: 'respond-async' },
    })
    expect(first?.headers['idempotency-key']).toMatch(UUID)
    expect(second?.headers['idempotency-key']).toMatch(UUID)
    expect(second?.headers['idempotency-key']).not.toBe(first?.headers['idempotency-key'])
  })

  test('says everything that can be said about a job', async () => {
    await using posthorn = await scripted([accepted])
    await posthorn.client.submit('echo', null, {
      callbackUrl: 'https://partner.example/hooks',
      callbackEvents: ['job.completed'],
      priority: 0,
      runAt: new Date('2030-01-02T03:04:05Z'),
      deadlineS: 60,
      timeoutS: 30,
      maxAttempts: 2,
      resultTtlS: 3600,
      metadata: { order: '42' },
      idempotencyKey: 'order-42',
    })
    await posthorn.client.submit('echo', {}, { endpointId: 'ep_1' })
    expect(posthorn.hits[0]?.headers['idempotency-key']).toBe('order-42')
    expect(JSON.parse(posthorn.hits[0]?.body ?? '')).toEqual({
      type: 'echo',
      payload: null,
      callback_url: 'https://partner.example/hooks',
      callback_events: ['job.completed'],
      priority: 0,
      run_at: '2030-01-02T03:04:05.000Z',
      deadline_s: 60,
      timeout_s: 30,
      max_attempts: 2,
      result_ttl_s: 3600,
      metadata: { order: '42' },
    })
    expect(JSON.parse(posthorn.hits[1]?.body ?? '')).toMatchObject({ callback: { endpoint_id: 'ep_1' } })
  })

  test.each<[string, Answer]>([
    ['the connection was lost', lost],
    ['the service cannot take it (503)', problem(503, { code: 'unavailable' })],
    ['there were too many (429)', status(429)],
    ['a proxy found no service (502)', status(502)],
    ['a proxy got no answer (504)', status(504)],
    ['the first is in its transaction still (409)', problem(409, { code: 'idempotency-key-in-use' })],
    [
      'the answer broke off',
      (_hit, response) => void response.writeHead(202, { 'content-length': '99' }).write('{', () => response.destroy()),
    ],
  ])('is sent again with the same key and the same bytes when %s', async (_why, failure) => {
    await using posthorn = await scripted([failure, failure, accepted])
    expect(await posthorn.client.submit('echo', { a: 1 })).toMatchObject({ id: 'job_1' })
    expect(posthorn.hits).toHaveLength(3)
    expect(new Set(posthorn.hits.map(({ body }) => body)).size).toBe(1)
    expect(new Set(posthorn.hits.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  })

  test('that gets no answer in time is sent again', async () => {
    await using posthorn = await scripted([silence, accepted], { requestTimeoutMs: 50 })
    expect(await posthorn.client.submit('echo', {})).toMatchObject({ id: 'job_1' })
  })

  test.each([400, 401, 403, 404, 413, 415, 422, 500])('that was refused with %d is not sent again', async (code) => {
    await using posthorn = await scripted([problem(code, { code: 'no' }), accepted])
    expect(await rejection(posthorn.client.submit('echo', {}))).toMatchObject({ status: code, code: 'no' })
    expect(posthorn.hits).toHaveLength(1)
  })
})

describe('between attempts', () => {
  test('pauses double up to half a minute, and attempts end', async () => {
    await using posthorn = await scripted([status(503)], { maxAttempts: 10 })
    expect(await rejection(posthorn.client.submit('echo', {}))).toMatchObject({ status: 503, code: 'http_503' })
    expect(posthorn.clock.pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  })

  test('there are eight by default, over more than a minute', async () => {
    await using posthorn = await scripted([lost])
    const error = await rejection(posthorn.client.submit('echo', {}))
    expect(error).toBeInstanceOf(PosthornError)
    expect(error).toMatchObject({ code: 'unreachable', status: null, cause: expect.any(TypeError) })
    expect(posthorn.hits).toHaveLength(8)
    expect(posthorn.clock.pauses.reduce((sum, ms) => sum + ms)).toBeGreaterThan(60_000)
  })

  test('chance spreads pauses upwards only', async () => {
    await using posthorn = await scripted([status(503, { 'retry-after': '8' }), status(503), accepted])
    posthorn.clock.chance = 0.999
    await posthorn.client.submit('echo', {})
    const [first, second] = posthorn.clock.pauses as [number, number]
    expect(first).toBeGreaterThan(9_900)
    expect(first).toBeLessThanOrEqual(10_000)
    expect(second).toBeGreaterThan(1_200)
    expect(second).toBeLessThanOrEqual(1_250)
  })

  test.each([
    ['seconds', '7', 7_000],
    ['a date', 'Thu, 01 Jan 2026 00:00:20 GMT', 20_000],
    ['a date of RFC 850', 'Thursday, 01-Jan-26 00:00:20 GMT', 20_000],
    ['a date of asctime', 'Thu Jan  1 00:00:20 2026', 20_000],
    ['less than the backoff', '0', 500],
    ['the past', 'Fri, 31 Dec 1999 23:59:59 GMT', 500],
    ['nothing that counts', '-1', 500],
    ['nothing that counts either', '1.5', 500],
    ['nothing at all', 'soon', 500],
  ])('Retry-After is obeyed when it says %s', async (_what, value, pause) => {
    await using posthorn = await scripted([status(429, { 'retry-after': value }), accepted])
    await posthorn.client.submit('echo', {})
    expect(posthorn.clock.pauses).toEqual([pause])
  })

  test('nobody is kept waiting for a Retry-After of more than five minutes', async () => {
    await using posthorn = await scripted([status(503, { 'retry-after': '301' }), accepted])
    expect(await rejection(posthorn.client.submit('echo', {}))).toMatchObject({ status: 503, retryAfterMs: 301_000 })
    expect(posthorn.clock.pauses).toEqual([])
  })

  test('an abort ends the pause with its reason, and nothing more is sent', async () => {
    const clock = stoppedClock()
    await using posthorn = await scripted([status(503)], { clock })
    const stop = new AbortController()
    const submitted = rejection(posthorn.client.submit('echo', {}, { signal: stop.signal }))
    await clock.asleep
    stop.abort(new Error('enough'))
    expect(await submitted).toEqual(new Error('enough'))
    expect(posthorn.hits).toHaveLength(1)
  })
})

describe('an abort', () => {
  test('ends a request that is on its way', async () => {
    const stop = new AbortController()
    // The last attempt: no pause follows that would notice.
    await using posthorn = await scripted([() => stop.abort(new Error('enough'))], { maxAttempts: 1 })
    expect(await rejection(posthorn.client.submit('echo', {}, { signal: stop.signal }))).toEqual(new Error('enough'))
    expect(posthorn.hits).toHaveLength(1)
  })

  test('that came before sends nothing', async () => {
    await using posthorn = await scripted([accepted])
    const signal = AbortSignal.abort(new Error('enough'))
    expect(await rejection(posthorn.client.submit('echo', {}, { signal }))).toEqual(new Error('enough'))
    expect(posthorn.hits).toHaveLength(0)
  })
})

describe('an error', () => {
  test('carries the problem document', async () => {
    const document = {
      type: 'https://posthorn.example/problems/invalid-request',
      title: 'The request does not have the right shape',
      status: 400,
      detail: 'The payload does not fit.',
      code: 'invalid-request',
      debug_id: 'req_1',
      details: [{ field: '/payload/a', issue: 'must be a string', location: 'body' }],
    }
    await using posthorn = await scripted([problem(400, document)])
    const error = (await rejection(posthorn.client.submit('echo', {}))) as PosthornError
    expect(error).toBeInstanceOf(PosthornError)
    expect(error.name).toBe('PosthornError')
    expect(error.message).toBe('The payload does not fit.')
    expect({ ...error }).toMatchObject({
      status: 400,
      code: 'invalid-request',
      detail: 'The payload does not fit.',
      debugId: 'req_1',
      details: document.details,
      problem: document,
      retryAfterMs: null,
    })
  })

  test.each<[string, Answer]>([
    ['says nothing', status(500)],
    ['is a page', (_hit, response) => void response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>no</h1>')],
    [
      'claims to be a problem',
      (_hit, response) => void response.writeHead(500, { 'content-type': 'application/problem+json' }).end('{'),
    ],
    ['is JSON, but not a problem', json(500, { code: 'some-code' })],
    ['is a problem that is null', json(500, null, { 'content-type': 'application/problem+json' })],
    ['is a problem that is a list', json(500, [], { 'content-type': 'application/problem+json' })],
  ])('without a problem document has a code by its status when it %s', async (_what, answer) => {
    await using posthorn = await scripted([answer])
    expect(await rejection(posthorn.client.submit('echo', {}))).toMatchObject({
      code: 'http_500',
      status: 500,
      problem: null,
      details: [],
    })
  })

  test('is made of an answer that is not JSON', async () => {
    await using posthorn = await scripted([(_hit, response) => void response.writeHead(202).end('<h1>hello</h1>')])
    expect(await rejection(posthorn.client.submit('echo', {}))).toMatchObject({ code: 'bad_answer', status: 202 })
    expect(posthorn.hits).toHaveLength(1)
  })
})

describe('the key of the API', () => {
  test('is not carried along by a redirect', async () => {
    await using other = await scripted([accepted])
    await using posthorn = await scripted([status(307, { location: `${other.server.url}/v1/jobs` })])
    expect(await rejection(posthorn.client.submit('echo', {}))).toMatchObject({ status: 307 })
    expect(other.hits).toHaveLength(0)
  })

  test('goes below the path of the URL, if that has one', async () => {
    await using posthorn = await scripted([accepted])
    const client = createClient({ url: `${posthorn.server.url}/slow/work/`, apiKey: 'k' })
    await client.submit('echo', {})
    expect(posthorn.hits[0]?.path).toBe('/slow/work/v1/jobs')
  })
})

describe('a mistake of the caller', () => {
  test.each(['', 'posthorn.example', 'ftp://posthorn.example'])('is the URL %j', (url) => {
    expect(() => createClient({ url, apiKey: 'k' })).toThrow(TypeError)
  })

  test('is a key that no header can carry', async () => {
    await using posthorn = await scripted([accepted])
    expect(await rejection(posthorn.client.submit('echo', {}, { idempotencyKey: 'a\nb' }))).toBeInstanceOf(TypeError)
    expect(posthorn.hits).toHaveLength(0)
    expect(posthorn.clock.pauses).toEqual([])
  })

  test.each(['', '..', 'job_1/../../admin', 'job_1?x', 'job 1'])(
    'is the id %j, which leads nowhere else',
    async (id) => {
      await using posthorn = await scripted([json(200, {})])
      const { client } = posthorn
      for (const call of [
        () => client.job(id),
        () => client.result(id),
        () => client.cancel(id),
        () => client.wait(id),
        () => client.files.download(id),
        () => client.events(id).next(),
      ]) {
        expect(await rejection(call())).toBeInstanceOf(TypeError)
      }
      expect(posthorn.hits).toHaveLength(0)
    },
  )
})
