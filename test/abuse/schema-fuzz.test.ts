import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { form, tell } from '../chaos/form.ts'
import { type ApiOperation, operationsOf, type Parameter } from '../support/operations.ts'
import { type RawAnswer, rawRequest } from '../support/raw-request.ts'
import { startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, finished, startTestService, type TestService } from '../support/service.ts'

// Every operation of the document with what its schema allows, with what it nearly allows, and with anything.
// Broken headers and queries of a few operations are tried in test/http/conformance-fuzz.test.ts.

const REQUESTS = form(1500, 100_000)
const AT_ONCE = 20
/** Sent so much more often than others that no run goes by in which chance makes none of them right. */
const MUST_BE_TAKEN = ['post /v1/jobs', 'post /v1/events']
const OFTEN = 5

type Schema = Record<string, unknown>

let posthorn: TestService
let operations: ApiOperation[]
/** Some of those there are, so that the requests get far. */
const ids: string[] = []
/** So many of them are of the service's own. */
const OWN = 5
const receiver = await startReceiver()

beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_SYNC_TIMEOUT: '5ms', POSTHORN_RETRY_SCHEDULE: '1s' })
  operations = await operationsOf(posthorn)
  const idIn = async (response: Response) => ((await response.json()) as { id: string }).id
  const done = await posthorn.submit({ type: 'echo', callback_url: receiver.url })
  await posthorn.job(done, finished)
  ids.push(done, await posthorn.submit({ type: 'echo', run_at: '2099-01-01T00:00:00Z' }))
  const url = receiver.url
  ids.push(await idIn(await posthorn.api('/v1/endpoints', { json: { url } })))
  ids.push(await idIn(await posthorn.api('/v1/files', { method: 'POST', body: 'bytes' })))
  const { data } = (await (await posthorn.api('/v1/deliveries')).json()) as { data: { id: string }[] }
  ids.push(data[0]?.id as string, `job_${'0'.repeat(32)}`, 'x', '%00', '..%2f..%2fetc', '%ff', '__proto__')
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const anything = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown> },
  fc.constantFrom<unknown>(1e308, -0, 2 ** 53 + 2, '', '\u0000', '\ud800', '__proto__', [], {}, null, 'x'.repeat(5000)),
)
const name = fc.constantFrom('__proto__', 'constructor', 'toString', 'a', '', 'x-ü', 'content-length', '\n')

/** What a schema says, mostly: sometimes one of its values is anything instead. */
function like(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 20, arbitrary: valid(schema) }, { weight: 1, arbitrary: anything })
}

function valid(schema: Schema): fc.Arbitrary<unknown> {
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]))
  if ('const' in schema) return fc.constant(schema.const)
  const some = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined
  if (some !== undefined) return fc.oneof(...some.map(like))
  const types = [schema.type ?? 'any'].flat() as string[]
  return fc.oneof(...types.map((type) => ofType(type, schema)))
}

function ofType(type: string, schema: Schema): fc.Arbitrary<unknown> {
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number }
  switch (type) {
    case 'integer':
      return fc.integer({ min: (minimum ?? 0) - 1, max: Math.min((maximum ?? 1000) + 1, 2 ** 31 - 1) })
    case 'number':
      return fc.double({ min: minimum ?? 0, max: maximum ?? 1e6, noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'string':
      return text(schema)
    case 'array':
      return fc.array(like((schema.items ?? {}) as Schema), { maxLength: 4 })
    case 'object':
      return object(schema)
    default:
      return anything
  }
}

function text(schema: Schema): fc.Arbitrary<string> {
  const known = fc.constantFrom('echo', 'http.request', 'order.paid', 'order.*', '*', 'k', 'latest', ...ids)
  const byFormat: Record<string, fc.Arbitrary<string>> = {
    uri: fc.constantFrom(
      receiver.url,
      `${receiver.url}/a?b#c`,
      'https://example.com/',
      'http://127.1:1/',
      'ftp://x',
      '',
    ),
    'date-time': fc.constantFrom('2099-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '0000-01-01T00:00:00+14:00', 'now'),
  }
  const example = schema.example === undefined ? known : fc.constant(String(schema.example))
  return fc.oneof(
    { weight: 8, arbitrary: byFormat[String(schema.format)] ?? example },
    known,
    fc.string({ unit: 'binary', maxLength: 30 }),
  )
}

function object(schema: Schema): fc.Arbitrary<unknown> {
  const members = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
  const required = new Set((schema.required ?? []) as string[])
  const own = members.map(([key, member]) =>
    fc.tuple(fc.constant(key), like(member), required.has(key) ? fc.nat(20) : fc.nat(3)),
  )
  const additional = schema.additionalProperties
  const free = fc.tuple(name, like(typeof additional === 'object' ? (additional as Schema) : {}))
  const more = fc.array(free, { maxLength: additional === undefined ? 1 : 3 })
  return fc.tuple(fc.tuple(...own), more).map(([some, rest]) => {
    // A required member is there 20 times of 21, any other every fourth time.
    const there = some.filter(([key, , chance]) => (required.has(key) ? chance > 0 : chance === 0))
    return Object.fromEntries([...there.map(([key, value]) => [key, value]), ...rest])
  })
}

interface Sent {
  operation: ApiOperation
  id: string
  values: [Parameter, unknown][]
  body: string | null
}

/** A body's text, now and then cut off or changed in one place. */
function bodyText(schema: Schema): fc.Arbitrary<string> {
  const json = valid(schema).map((value) => JSON.stringify(value) ?? '')
  const broken = fc.tuple(json, fc.nat(), fc.string({ maxLength: 3 })).map(([whole, at, more]) => {
    const place = at % (whole.length + 1)
    return whole.slice(0, place) + more + whole.slice(place + (at % 3))
  })
  return fc.oneof(
    { weight: 6, arbitrary: json },
    broken,
    fc.string(),
    anything.map((value) => String(JSON.stringify(value))),
  )
}

function requestOf(operation: ApiOperation): fc.Arbitrary<Sent> {
  const parameters = operation.parameters.filter((parameter) => parameter.in !== 'path')
  const values = fc
    .tuple(...parameters.map((one) => fc.tuple(fc.constant(one), like(one.schema), fc.nat(3))))
    .map((all) =>
      all.filter(([, , chance]) => chance === 0).map(([one, value]) => [one, value] as [Parameter, unknown]),
    )
  return fc.record({
    operation: fc.constant(operation),
    // What is there is not deleted, so that the later requests find it, too.
    id: fc.constantFrom(...(operation.method === 'DELETE' ? ids.slice(OWN) : ids)),
    values,
    body: operation.body === null ? fc.constantFrom(null, '', '{"a":1}') : bodyText(operation.body),
  })
}

const weighted = (operation: ApiOperation) => ({
  weight: MUST_BE_TAKEN.includes(operation.name) ? OFTEN : 1,
  arbitrary: requestOf(operation),
})

function send({ operation, id, values, body }: Sent): Promise<RawAnswer> {
  const query = new URLSearchParams()
  const headers: Record<string, string> = {
    authorization: `Bearer ${operation.role === 'admin' ? ADMIN_KEY : API_KEY}`,
    ...(operation.body !== null && { 'content-type': 'application/json' }),
  }
  for (const [parameter, value] of values) {
    const given = typeof value === 'string' ? value : JSON.stringify(value)
    if (parameter.in === 'query') query.append(parameter.name, given.toWellFormed())
    // What node:http would not send is sent over a bare socket in raw-http.test.ts.
    else headers[parameter.name] = given.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?')
  }
  const path = operation.path.replace(/\{\w+\}/, id)
  return rawRequest(`${posthorn.url}${path}?${query}`, { method: operation.method, headers }, (sent) => {
    sent.end(operation.method === 'GET' ? undefined : body)
  })
}

/** What was sent, without the operation's schemas. */
function shown({ id, values, body }: Sent): string {
  return JSON.stringify({ id, values: values.map(([{ name: parameter }, value]) => [parameter, value]), body })
}

/** What is wrong with an answer; null when nothing is. */
function fault({ status, headers, body }: RawAnswer): string | null {
  const problem = status >= 400 && body !== '' ? (JSON.parse(body) as { status?: unknown; code?: unknown }) : null
  if (problem === null) return null
  if (!String(headers['content-type']).startsWith('application/problem+json')) return 'the error is no problem document'
  if (problem.status !== status || typeof problem.code !== 'string') return 'the problem is another'
  // 502 and 504 are those of jobs that failed or go on.
  if (status < 500 || ['sync-timeout', 'job-failed-upstream', 'job-timed-out'].includes(problem.code)) return null
  return 'the service failed'
}

test(
  `${REQUESTS} requests like the document's, right and wrong: none fails the service`,
  async () => {
    // A stream has no end, and an upgrade no answer of this kind; both are in conformance-fuzz and raw-http.
    const tried = operations.filter(({ path }) => !/\/(events|ws)$/.test(path) || path === '/v1/events')
    const reached = new Map<string, Set<number>>()
    const some = fc.array(fc.oneof(...tried.map(weighted)), { minLength: AT_ONCE, maxLength: AT_ONCE })
    await fc.assert(
      fc.asyncProperty(some, async (requests) => {
        const answers = await Promise.all(requests.map(send))
        for (const [n, answer] of answers.entries()) {
          const sent = requests[n] as Sent
          const statuses = reached.get(sent.operation.name) ?? new Set()
          reached.set(sent.operation.name, statuses.add(answer.status))
          const wrong = fault(answer)
          if (wrong !== null)
            throw new Error(`${wrong}: ${answer.status} ${answer.body} to ${sent.operation.name} ${shown(sent)}`)
        }
      }),
      { numRuns: REQUESTS / AT_ONCE, endOnFailure: true },
    )
    tell('fuzz', Object.fromEntries([...reached].map(([operation, statuses]) => [operation, [...statuses].sort()])))
    expect([...reached.keys()].sort()).toEqual(tried.map((operation) => operation.name).sort())
    // It is no use when all of them are refused for the same reason.
    const accepted = tried.filter(
      ({ name: one, body }) =>
        body !== null && [...(reached.get(one) ?? [])].some((status) => status < 300 || status === 504),
    )
    expect(accepted.map((operation) => operation.name)).toEqual(expect.arrayContaining(MUST_BE_TAKEN))
    expect((await posthorn.api('/readyz', { key: null })).status).toBe(200)
    const last = await posthorn.submit({ type: 'echo', payload: { still: 'there' } })
    expect((await posthorn.job(last, finished, 30_000)).status).toBe('completed')
  },
  form(60_000, 1_800_000),
)
