import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RawAnswer, rawRequest } from '../support/raw-request.ts'
import { API_KEY, finished, startTestService, type TestService } from '../support/service.ts'

const REQUESTS = 3000
const AT_ONCE = 30

let posthorn: TestService
let done: string
let file: string
beforeAll(async () => {
  // Who prefers to wait is not waited for.
  posthorn = await startTestService({ POSTHORN_SYNC_TIMEOUT: '5ms' })
  done = await posthorn.submit({ type: 'echo', payload: { a: 1 } })
  await posthorn.job(done, finished)
  const upload = await posthorn.api('/v1/files', { method: 'POST', body: '0123456789' })
  file = ((await upload.json()) as { id: string }).id
})
afterAll(() => posthorn[Symbol.asyncDispose]())

/** What a header may hold at all: visible ASCII, space, tab and obs-text (RFC 9110 §5.5). */
const noise = fc.string({
  unit: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...'",;=\\/*-_ .:0129aW\t') },
    fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x20 : code)),
  ),
  maxLength: 40,
})

/** Like the seeds, broken somewhere. */
function like(...seeds: string[]): fc.Arbitrary<string> {
  const seed = fc.constantFrom(...seeds)
  const place = fc.nat({ max: 60 })
  const broken = fc.tuple(seed, place, place, noise).map(([text, from, count, more]) => {
    return text.slice(0, from) + more + text.slice(from + (count % 4))
  })
  const many = fc.array(fc.oneof(seed, noise), { minLength: 2, maxLength: 5 }).map((parts) => parts.join(', '))
  return fc.oneof(
    { weight: 3, arbitrary: seed },
    broken,
    broken,
    many,
    noise,
    seed.map((text) => text.repeat(50)),
  )
}

const DATES = [
  '2026-01-01T00:00:00Z',
  '2026-02-30T25:61:61+99:99',
  '+275760-09-13T00:00:00.000Z',
  '0000-01-01',
  '1e9',
  'now',
]
const HEADERS: Record<string, fc.Arbitrary<string>> = {
  prefer: like(
    'respond-async',
    'wait=1',
    'wait="9"',
    'handling=strict',
    'return=minimal; a="b,c"',
    'wait=99999999999999999999',
  ),
  'if-none-match': like('*', '"1"', 'W/"1"', '"1", "2"', '""'),
  range: like('bytes=0-4', 'bytes=-3', 'bytes=5-', 'bytes=0-0,2-3', 'bytes=99-', 'bytes=4-1', 'bytes=-0', 'items=1-2'),
  'last-event-id': like('1', '2', '-1', '99999999999999999999', '1.5'),
  'idempotency-key': like('k', '"k"', '"a\\"b"', 'x'.repeat(255)),
  'paypal-request-id': like('k', '6f1c-0d'),
  accept: like('*/*', 'application/json;q=0.5', 'text/event-stream', 'image/*'),
  'content-type': like('application/json', 'application/json; charset="utf-8"', 'text/plain'),
  'x-request-id': like('abc', '../x'),
  traceparent: like(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`),
  'if-range': like('"1"', 'Sun, 06 Nov 1994 08:49:37 GMT'),
}

const QUERY: Record<string, fc.Arbitrary<string>> = {
  cursor: like('am9iXzAx', 'bnVsbA', '\u0000', '👻'),
  limit: like('1', '200', '201', '0', '-1', '1e2', '٣'),
  created_after: like(...DATES),
  created_before: like(...DATES),
  after: like(...DATES),
  status: like('pending', 'done'),
  type: like('echo', '%', "'; --"),
  redirect: like('true', 'false', '1'),
  job_id: like('job_1'),
}

const BODY = fc.oneof(
  { weight: 3, arbitrary: fc.constant('{"type":"echo","payload":{"a":1}}') },
  like(
    '{"type":"echo"}',
    '{"type":"echo","payload":{"a":[]},"metadata":{"a":"b"}}',
    '{"jobs":[{"type":"echo"}]}',
    '[]',
  ),
  fc
    .record({ type: like('echo'), run_at: like(...DATES), idempotency_key: like('k'), priority: fc.anything() })
    .map((job) => {
      return JSON.stringify(fc.stringify(job).length % 2 ? { jobs: [job, null] } : job, (_key, value: unknown) => {
        return typeof value === 'bigint' ? Number(value) : value
      })
    }),
)

/** Few at a time, so that one fault does not hide the next. */
const some = (known: Record<string, fc.Arbitrary<string>>) =>
  fc.shuffledSubarray(Object.keys(known), { maxLength: 3 }).chain((names) => {
    return fc.record(Object.fromEntries(names.map((name) => [name, known[name] as fc.Arbitrary<string>])))
  })

const ID = fc.oneof({ weight: 9, arbitrary: fc.constant('') }, like('job_1', '%00', '..', '%ff'))
const request = fc.record({
  target: fc.oneof(
    fc.constantFrom(
      'GET /v1/jobs/JOB',
      'GET /v1/jobs/JOB/status',
      'GET /v1/queue/requests/JOB',
      'GET /v1/jobs/JOB/result',
    ),
    fc.constantFrom('GET /v1/jobs/JOB/events', 'GET /v1/files/FILE', 'HEAD /v1/files/FILE', 'GET /v1/jobs/JOB/ws'),
    fc.constantFrom('GET /v1/jobs', 'GET /v1/deliveries', 'POST /v1/jobs/batch', 'POST /v1/files'),
    fc.constant('POST /v1/jobs'),
  ),
  id: ID,
  headers: fc.tuple(some(HEADERS), fc.option(HEADERS.prefer as fc.Arbitrary<string>)).map(([headers, prefer]) => {
    return prefer === null ? headers : { ...headers, prefer }
  }),
  query: some(QUERY),
  rawQuery: fc.oneof({ weight: 9, arbitrary: fc.constant('') }, noise.map(encodeURI)),
  body: BODY,
})

function send({
  target,
  id,
  headers,
  query,
  rawQuery,
  body,
}: typeof request extends fc.Arbitrary<infer T> ? T : never) {
  const [method = '', path = ''] = target.split(' ')
  const part = (own: string) => (id === '' ? own : encodeURIComponent(id))
  const search = new URLSearchParams(query).toString() + rawQuery.replaceAll('#', '')
  const url = posthorn.url + path.replace('JOB', part(done)).replace('FILE', part(file))
  const type = method === 'POST' ? { 'content-type': 'application/json' } : {}
  return rawRequest(
    `${url}${search && `?${search}`}`,
    { method, headers: { authorization: `Bearer ${API_KEY}`, ...type, ...headers } },
    (sent) => {
      sent.end(method === 'POST' ? body : undefined)
    },
  )
}

/** What is wrong with an answer; null when nothing is. */
function fault({ status, headers, body }: RawAnswer): string | null {
  if (status >= 500 && status !== 504) return 'the service failed'
  if (status < 400 || body === '') return null
  if (!String(headers['content-type']).startsWith('application/problem+json')) return 'the error is no problem document'
  const problem = JSON.parse(body) as Record<string, unknown>
  if (problem.status !== status || typeof problem.code !== 'string') return 'the problem is another'
  return status === 504 && problem.code !== 'sync-timeout' ? 'the job failed' : null
}

test(`${REQUESTS} requests with broken headers and queries: none fails the service, each refusal is a problem`, async () => {
  const statuses = new Map<number, number>()
  const some = fc.array(request, { minLength: AT_ONCE, maxLength: AT_ONCE })
  await fc.assert(
    fc.asyncProperty(some, async (requests) => {
      const answers = await Promise.all(requests.map(send))
      for (const [n, answer] of answers.entries()) {
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        const wrong = fault(answer)
        if (wrong !== null)
          throw new Error(`${wrong}: ${answer.status} ${answer.body} to ${JSON.stringify(requests[n])}`)
      }
    }),
    { numRuns: REQUESTS / AT_ONCE, endOnFailure: true, interruptAfterTimeLimit: 15_000 },
  )
  // The requests were not all refused for the same reason.
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 202, 303, 400, 404, 504]))
}, 30_000)
