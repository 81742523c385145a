import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiOperation, operationsOf } from '../support/operations.ts'
import { ADMIN_KEY, API_KEY, startTestService, type TestService } from '../support/service.ts'

// What is in a body that fits: whoever sends it must not hold up the others.

const MIB = 1024 * 1024
/** Zod alone took 1,300 ms and more for a megabyte of wrong members on a quiet machine. */
const BLOCKED_MS = 400
/** 9,400 ms. */
const BATCH_BLOCKED_MS = 1500

let posthorn: TestService
let operations: ApiOperation[]
beforeAll(async () => {
  posthorn = await startTestService()
  operations = (await operationsOf(posthorn)).filter(({ body }) => body !== null)
})
afterAll(() => posthorn[Symbol.asyncDispose]())

type Schema = Record<string, unknown>

/** Lists and maps anywhere in a schema, by the keys that lead there. */
function places(schema: Schema, path: string[] = []): { path: string[]; kind: 'array' | 'object' }[] {
  const found: ReturnType<typeof places> = []
  const types = [schema.type].flat()
  if (types.includes('array')) found.push({ path, kind: 'array' })
  if (types.includes('object') || schema.properties) found.push({ path, kind: 'object' })
  const items = schema.items as Schema | undefined
  if (items !== undefined) found.push(...places(items, [...path, '[]']))
  for (const [key, member] of Object.entries((schema.properties ?? {}) as Record<string, Schema>)) {
    found.push(...places(member, [...path, key]))
  }
  return found
}

/** What is of no use to anybody, as often as fits. */
function filling(kind: 'array' | 'object', bytes: number): string {
  if (kind === 'array') return `[${'{},'.repeat(bytes / 3 - 20)}{}]`
  const members: string[] = []
  for (let n = 0, size = 0; size < bytes - 40; n++) {
    const member = `"${n.toString(36)}":{}`
    members.push(member)
    size += member.length + 1
  }
  return `{${members.join(',')}}`
}

/** The filling at that place. */
function bodyWith(path: string[], inner: string): string {
  const [key, ...rest] = path
  if (key === undefined) return inner
  return key === '[]' ? `[${bodyWith(rest, inner)}]` : `{${JSON.stringify(key)}:${bodyWith(rest, inner)}}`
}

/**
 * How long others had to wait for it: time of this thread's processor, which other programs on the machine do not
 * change. The service runs in the same thread. The least of a few, for what the garbage collector adds.
 */
async function blockedMs(work: () => Promise<unknown>, limit: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let n = 0; n < 3 && least > limit; n++) {
    const before = process.threadCpuUsage()
    await work()
    const { user, system } = process.threadCpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

async function send(operation: ApiOperation, body: string): Promise<number> {
  const response = await fetch(posthorn.url + operation.path.replace('{id}', `job_${'0'.repeat(32)}`), {
    method: operation.method,
    headers: {
      authorization: `Bearer ${operation.role === 'admin' ? ADMIN_KEY : API_KEY}`,
      'content-type': 'application/json',
      prefer: 'respond-async',
    },
    body,
  })
  await response.arrayBuffer()
  return response.status
}

test('a megabyte of nothing but wrong members blocks the process for a moment, wherever it is in a body', async () => {
  const slow: string[] = []
  let tried = 0
  for (const operation of operations) {
    for (const { path, kind } of places(operation.body as Schema)) {
      const body = bodyWith(path, filling(kind, MIB - 200))
      let status = 0
      const took = await blockedMs(async () => {
        status = await send(operation, body)
      }, BLOCKED_MS)
      tried++
      const what = `${operation.name} ${path.join('/')} ${kind}: ${status} after ${Math.round(took)} ms`
      if (took > BLOCKED_MS || status >= 500) slow.push(what)
    }
  }
  expect(slow).toEqual([])
  expect(tried).toBeGreaterThan(15)
}, 60_000)

describe('a job type of the platform checks as briefly:', () => {
  const members = filling('object', MIB - 300)
  const items = filling('array', MIB - 300)
  test.each<[string, string, number]>([
    ['http.request', `{"url":"http://127.0.0.1/","headers":${members}}`, 400],
    ['http.request', `{"url":"http://127.0.0.1/","body":${items}}`, 202],
    ['http.aggregate', `{"calls":${members}}`, 400],
    ['http.aggregate', `{"calls":{"a":{"url":"http://127.0.0.1/","headers":${members}}}}`, 400],
  ])('%s %#', async (type, payload, expected) => {
    const [submit] = operations.filter(({ name }) => name === 'post /v1/jobs')
    let status = 0
    const run_at = '2099-01-01T00:00:00Z'
    const took = await blockedMs(async () => {
      status = await send(submit as ApiOperation, `{"type":"${type}","run_at":"${run_at}","payload":${payload}}`)
    }, BLOCKED_MS)
    expect(status).toBe(expected)
    expect(took).toBeLessThan(BLOCKED_MS)
  })
})

test('in a batch of 8 MiB too, item by item', async () => {
  const item = `{"type":"echo","callback_events":[${'{},'.repeat(2700)}{}]}`
  const [batch] = operations.filter(({ name }) => name === 'post /v1/jobs/batch')
  let status = 0
  const took = await blockedMs(async () => {
    status = await send(batch as ApiOperation, `{"jobs":[${Array(1000).fill(item).join(',')}]}`)
  }, BATCH_BLOCKED_MS)
  expect(status).toBe(200)
  expect(took).toBeLessThan(BATCH_BLOCKED_MS)
})

test('what belongs to the client may have as many members as fit', async () => {
  const payload = filling('object', MIB - 300)
  const id = await posthorn.submit(JSON.parse(`{"type":"echo","payload":${payload}}`) as object)
  const job = await posthorn.job(id, ({ status }) => status === 'completed')
  expect(job.result_url).toBeTypeOf('string')
  const event = { type: 'order.paid', data: JSON.parse(payload) as object }
  expect((await posthorn.api('/v1/events', { json: event })).status).toBe(202)
})

test('a member that is null, or of another kind, is 400 wherever it is in a body', async () => {
  const answers: string[] = []
  for (const operation of operations) {
    for (const { path } of places(operation.body as Schema)) {
      for (const value of ['null', '7', '"x"', '[null]', '{"a":null}']) {
        const status = await send(operation, bodyWith(path, value))
        if (status >= 500) answers.push(`${operation.name} ${path.join('/')} = ${value}: ${status}`)
      }
    }
  }
  expect(answers).toEqual([])
})

test('keys that reach into JavaScript objects are refused in ours and are data in the client’s', async () => {
  const reserved = ['__proto__', 'constructor', 'prototype']
  const send = (path: string, body: string) =>
    posthorn.api(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  const inner = '{"polluted":"yes"}'
  for (const key of reserved) {
    expect((await send('/v1/jobs', `{"type":"echo","metadata":{"${key}":"x"}}`)).status).toBe(400)
    const endpoint = `"url":"https://example.com/"`
    expect((await send('/v1/endpoints', `{${endpoint},"metadata":{"${key}":"x"}}`)).status).toBe(400)
    // Of options, they are members like any other that is not known.
    for (const body of [`{"type":"echo","${key}":${inner}}`, `{"type":"echo","callback":{"${key}":${inner}}}`]) {
      expect((await send('/v1/jobs', body)).status).toBeLessThan(500)
    }
    await send('/v1/endpoints', `{${endpoint},"headers":{"${key}":"x"},"${key}":${inner}}`)
    const response = await send('/v1/jobs', `{"type":"echo","payload":{"${key}":${inner}}}`)
    const { id } = (await response.json()) as { id: string }
    const job = await posthorn.job(id, ({ status }) => status === 'completed')
    // Zod hands handlers no `__proto__` at all.
    expect(Object.entries(job.result as object)).toEqual(key === '__proto__' ? [] : [[key, { polluted: 'yes' }]])
  }
  // The service runs in this process.
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})
