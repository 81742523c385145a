import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

/** Each refused request carried a key of its own. */
const keys: string[] = []

async function refused(body: string, status: number, code: string, headers: Record<string, string> = {}) {
  const key = `refused-${keys.length}`
  keys.push(key)
  const response = await posthorn.api('/v1/jobs', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
  })
  return problemIn(response, status, code)
}

afterEach(async () => {
  expect(await (await posthorn.api('/v1/jobs')).json()).toMatchObject({ data: [], next_cursor: null })
})

test('an unknown type is refused with 422, which names the types there are', async () => {
  const { details } = await refused('{"type":"nope","payload":{}}', 422, 'unknown-job-type')
  expect(details).toEqual([{ field: '/type', issue: expect.stringContaining('echo'), value: 'nope', location: 'body' }])
})

describe('a payload that does not fit its type is refused with 400 and a JSON Pointer:', () => {
  const url = 'http://127.0.0.1:8099/'
  test.each<[string, object, string]>([
    ['echo', { delay_ms: -1 }, '/payload/delay_ms'],
    ['echo', { delay_ms: '5' }, '/payload/delay_ms'],
    ['echo', { delay_ms: 3_600_001 }, '/payload/delay_ms'],
    ['echo', [], '/payload'],
    ['http.request', {}, '/payload/url'],
    ['http.request', { url: 'ftp://example.com/' }, '/payload/url'],
    ['http.request', { url, method: 'BREW' }, '/payload/method'],
    ['http.request', { url, headers: { 'content-length': '5' } }, '/payload/headers/content-length'],
    ['http.request', { url, headers: { 'x-a': 'a\r\nb: c' } }, '/payload/headers/x-a'],
    ['http.request', { url, headers: { 'a/b': 'c' } }, '/payload/headers/a~1b'],
    ['http.request', { url, headers: { 'a~b': 7 } }, '/payload/headers/a~0b'],
    ['http.request', { url, timeout_s: 0 }, '/payload/timeout_s'],
    ['http.request', { url, surprise: true }, '/payload'],
    ['http.aggregate', { calls: {} }, '/payload/calls'],
    ['http.aggregate', { calls: { a: { url }, b: { url: 'x' } } }, '/payload/calls/b/url'],
    ['http.aggregate', { calls: { a: { url, optional: 'yes' } } }, '/payload/calls/a/optional'],
  ])('%s %j → %s', async (type, payload, pointer) => {
    const { details } = await refused(JSON.stringify({ type, payload }), 400, 'invalid-request')
    expect(details.map(({ field, location }) => [field, location])).toEqual([[pointer, 'body']])
  })

  test('a payload of null, and every fault at once', async () => {
    const problem = await refused('{"type":"echo","payload":null,"priority":10,"deadline_s":0}', 400, 'invalid-request')
    expect(problem.details.map(({ field }) => field)).toEqual(expect.arrayContaining(['/priority', '/deadline_s']))
    expect((await refused('{"type":"echo","payload":"text"}', 400, 'invalid-request')).details[0]?.field).toBe(
      '/payload',
    )
  })
})

describe('a member that makes no sense is refused with 400 and a JSON Pointer:', () => {
  test.each<[string, string]>([
    ['{}', '/type'],
    ['{"type":7}', '/type'],
    ['{"type":""}', '/type'],
    ['{"type":"echo","payload":{},"priority":-1}', '/priority'],
    ['{"type":"echo","payload":{},"priority":10}', '/priority'],
    ['{"type":"echo","payload":{},"priority":1.5}', '/priority'],
    ['{"type":"echo","payload":{},"priority":"1"}', '/priority'],
    ['{"type":"echo","payload":{},"run_at":"tomorrow"}', '/run_at'],
    ['{"type":"echo","payload":{},"run_at":"2026-01-01"}', '/run_at'],
    ['{"type":"echo","payload":{},"run_at":"2026-01-01T00:00:00"}', '/run_at'],
    ['{"type":"echo","payload":{},"run_at":"2026-02-30T00:00:00Z"}', '/run_at'],
    ['{"type":"echo","payload":{},"run_at":1760000000}', '/run_at'],
    ['{"type":"echo","payload":{},"deadline_s":0}', '/deadline_s'],
    ['{"type":"echo","payload":{},"deadline_s":-5}', '/deadline_s'],
    ['{"type":"echo","payload":{},"deadline_s":1e400}', '/deadline_s'],
    ['{"type":"echo","payload":{},"timeout_s":0}', '/timeout_s'],
    ['{"type":"echo","payload":{},"max_attempts":0}', '/max_attempts'],
    ['{"type":"echo","payload":{},"callback_url":7}', '/callback_url'],
    ['{"type":"echo","payload":{},"callback_events":[]}', '/callback_events'],
    ['{"type":"echo","payload":{},"callback_events":"job.completed"}', '/callback_events'],
    ['{"type":"echo","payload":{},"callback_events":["job.completed","job.nope"]}', '/callback_events/1'],
    ['{"type":"echo","payload":{},"metadata":["a"]}', '/metadata'],
    ['{"type":"echo","payload":{},"metadata":"a"}', '/metadata'],
    ['{"type":"echo","payload":{},"metadata":{"order":42}}', '/metadata/order'],
    ['{"type":"echo","payload":{},"metadata":{"order":{"id":"42"}}}', '/metadata/order'],
    ['{"type":"echo","payload":{},"metadata":{"__proto__":{"polluted":"yes"}}}', '/metadata'],
    ['{"type":"echo","payload":{},"metadata":{"__proto__":"x"}}', '/metadata'],
    ['{"type":"echo","payload":{},"metadata":{"constructor":"x"}}', '/metadata'],
  ])('%s → %s', async (body, pointer) => {
    const { details } = await refused(body, 400, 'invalid-request')
    expect(details.map(({ field }) => field)).toContain(pointer)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test.each(['[]', 'null', '"echo"', '7', '[{"type":"echo"}]'])('the whole body %s', async (body) => {
    expect((await refused(body, 400, 'invalid-request')).details.map(({ field }) => field)).toEqual([''])
  })
})

test('the keys of refused requests are not used up', async () => {
  expect(keys.length).toBeGreaterThan(50)
  const ids = await Promise.all(
    keys.map(async (key) => {
      const response = await posthorn.api('/v1/jobs', {
        json: { type: 'echo', payload: {} },
        headers: { 'idempotency-key': key, prefer: 'respond-async' },
      })
      expect([key, response.status]).toEqual([key, 202])
      expect(response.headers.has('idempotent-replayed')).toBe(false)
      return ((await response.json()) as { id: string }).id
    }),
  )
  expect(new Set(ids).size).toBe(keys.length)
  for (const id of ids) await posthorn.job(id, ({ status }) => status === 'completed')
  await Promise.all(ids.map((id) => posthorn.api(`/v1/jobs/${id}`, { method: 'DELETE' })))
})
