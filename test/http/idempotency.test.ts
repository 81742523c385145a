import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { rawRequest } from '../support/raw-request.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { API_KEY, finished, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

let folder: string
let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  folder = await folderWithOtherTenant()
  posthorn = await startTestService({}, folder)
  receiver = await startReceiver()
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const BODY = '{"type":"echo","payload":{"n":9007199254740993}}'

function send(key: string, body = BODY, more: Record<string, string> = {}, apiKey = API_KEY): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key, prefer: 'respond-async', ...more }
  return posthorn.api('/v1/jobs', { method: 'POST', body, headers, key: apiKey })
}

async function accepted(response: Response, replayed: boolean): Promise<{ text: string; id: string }> {
  const text = await response.text()
  expect(`${response.status} ${text}`).toContain('202 {')
  expect(response.headers.get('idempotent-replayed')).toBe(replayed ? 'true' : null)
  return { text, id: (JSON.parse(text) as { id: string }).id }
}

async function countJobs(apiKey = API_KEY): Promise<number> {
  const page = (await (await posthorn.api('/v1/jobs?limit=200', { key: apiKey })).json()) as { data: unknown[] }
  return page.data.length
}

test('the same request again gets the same 202 and makes no second job, while the job runs and afterwards', async () => {
  const body = '{"type":"echo","payload":{"delay_ms":300}}'
  const response = await send('again', body)
  const location = response.headers.get('location')
  const first = await accepted(response, false)
  await posthorn.job(first.id, ({ status }) => status === 'processing')
  const jobs = await countJobs()
  const running = await send('again', body)
  expect(running.headers.get('location')).toBe(location)
  expect((await accepted(running, true)).text).toBe(first.text)
  expect(await posthorn.job(first.id, finished)).toMatchObject({ status: 'completed' })
  const afterwards = await send('again', body)
  expect(afterwards.headers.get('location')).toBe(location)
  expect((await accepted(afterwards, true)).text).toBe(first.text)
  expect(await countJobs()).toBe(jobs)
})

test('20 requests at once make one job, which calls back once', async () => {
  const body = JSON.stringify({ type: 'echo', payload: {}, callback_url: `${receiver.url}/twenty` })
  const responses = await Promise.all(Array.from({ length: 20 }, () => send('twenty', body)))
  for (const { status } of responses) expect([202, 409]).toContain(status)
  const taken = responses.filter(({ status }) => status === 202)
  expect(taken.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1)
  const texts = await Promise.all(taken.map((response) => response.text()))
  expect(new Set(texts).size).toBe(1)
  const { id } = JSON.parse(texts[0] as string) as { id: string }
  await posthorn.job(id, (job) => (job.callback as { status: string } | null)?.status === 'delivered')
  // A second job would have been called back before one that was made later.
  const later = JSON.stringify({ type: 'echo', payload: {}, callback_url: `${receiver.url}/later` })
  await accepted(await send('later', later), false)
  await receiver.waitFor(1, ({ path }) => path === '/later')
  expect(
    receiver.hits.filter(({ path }) => path === '/twenty').map(({ headers }) => headers['webhook-id']),
  ).toHaveLength(1)
})

describe('with another body the key is refused with 422, and its job is as it was:', () => {
  test.each<[string, string, string]>([
    ['another value', BODY, BODY.replace('993', '992')],
    ['another order of members', '{"type":"echo","payload":{}}', '{"payload":{},"type":"echo"}'],
    ['another white space', '{"type":"echo","payload":{}}', '{"type":"echo", "payload":{}}'],
  ])('%s', async (name, body, other) => {
    const key = `changed-${name.replaceAll(' ', '-')}`
    const first = await accepted(await send(key, body), false)
    const jobs = await countJobs()
    await problemIn(await send(key, other), 422, 'idempotency-key-reused')
    expect(await countJobs()).toBe(jobs)
    expect((await accepted(await send(key, body), true)).text).toBe(first.text)
  })

  test('but Prefer is not a part of the request', async () => {
    const first = await accepted(await send('prefer', BODY), false)
    expect((await accepted(await send('prefer', BODY, { prefer: 'respond-async, foo=bar' }), true)).text).toBe(
      first.text,
    )
  })
})

describe('a malformed key is refused with 400:', () => {
  test.each(['', '""', 'x'.repeat(256), 'two words', '"half', '"a"b', 'a"b', 'k\u00e9y'])('%j', async (key) => {
    const jobs = await countJobs()
    const { details } = await problemIn(await send(key), 400, 'malformed-request')
    expect(details).toMatchObject([{ field: expect.stringMatching(/^Idempotency-Key$/i), location: 'header' }])
    expect(await countJobs()).toBe(jobs)
  })

  test.each<[string, string]>([
    ['a', 'b'],
    ['"a"', '"b"'],
  ])('two of them, %s and %s', async (...both) => {
    const headers = {
      authorization: `Bearer ${API_KEY}`,
      'content-type': 'application/json',
      'idempotency-key': both,
    }
    const answer = await rawRequest(`${posthorn.url}/v1/jobs`, { method: 'POST', headers }, (sent) => sent.end(BODY))
    expect([answer.status, answer.headers['content-type']]).toEqual([400, expect.stringMatching(/problem\+json/)])
  })
})

test('a key of 255 characters is taken, and `k` and `"k"` are the same key', async () => {
  await accepted(await send('x'.repeat(255)), false)
  const bare = await accepted(await send('quo-ted'), false)
  expect((await accepted(await send('"quo-ted"'), true)).text).toBe(bare.text)
  const quoted = await accepted(await send('"a\\"\\\\b"'), false)
  expect((await accepted(await send('"a\\"\\\\b"'), true)).text).toBe(quoted.text)
})

describe('a refused request does not use its key up:', () => {
  test.each<[number, string, string, Record<string, string>, string]>([
    [400, 'malformed-request', '{"type"', {}, API_KEY],
    [400, 'invalid-request', '{"type":"echo","payload":{"delay_ms":-1}}', {}, API_KEY],
    [401, 'unauthorized', BODY, {}, 'not-a-key'],
    [413, 'payload-too-large', BODY.padEnd(1024 * 1024 + 1), {}, API_KEY],
    [415, 'unsupported-media-type', BODY, { 'content-type': 'text/plain' }, API_KEY],
    [422, 'unknown-job-type', '{"type":"nope","payload":{}}', {}, API_KEY],
    [422, 'invalid-callback-url', '{"type":"echo","payload":{},"callback_url":"ftp://a.example"}', {}, API_KEY],
  ])('%i %s', async (status, code, body, headers, apiKey) => {
    await problemIn(await send(`burnt-${code}`, body, headers, apiKey), status, code)
    await accepted(await send(`burnt-${code}`), false)
  })
})

test('the keys of two tenants have nothing to do with each other', async () => {
  const ours = await accepted(await send('shared'), false)
  const theirs = await accepted(await send('shared', BODY, {}, OTHER_KEY), false)
  expect(theirs.id).not.toBe(ours.id)
  const other = await accepted(await send('shared-too', '{"type":"echo","payload":{}}', {}, OTHER_KEY), false)
  expect((await accepted(await send('shared-too'), false)).id).not.toBe(other.id)
})

test('a key lives as long as its job', async () => {
  const first = await accepted(await send('erased'), false)
  await posthorn.job(first.id, finished)
  expect((await posthorn.api(`/v1/jobs/${first.id}`, { method: 'DELETE' })).status).toBe(204)
  expect((await accepted(await send('erased', '{"type":"echo","payload":{}}'), false)).id).not.toBe(first.id)
})

test('a key survives a restart', async () => {
  const first = await accepted(await send('restart'), false)
  await posthorn.service.stop()
  // On a new port, so that its links differ; the job is the same.
  posthorn = await startTestService({}, folder)
  expect((await accepted(await send('restart'), true)).id).toBe(first.id)
})

test('without a key each request makes a job, unless POSTHORN_REQUIRE_IDEMPOTENCY_KEY forbids it', async () => {
  const json = { type: 'echo', payload: {} }
  expect(await posthorn.submit(json)).not.toBe(await posthorn.submit(json))
  await using strict = await startTestService({ POSTHORN_REQUIRE_IDEMPOTENCY_KEY: 'true' })
  await problemIn(await strict.api('/v1/jobs', { json }), 400, 'idempotency-key-required')
  expect(
    (await strict.api('/v1/jobs', { json, headers: { 'idempotency-key': 'k', prefer: 'respond-async' } })).status,
  ).toBe(202)
})
