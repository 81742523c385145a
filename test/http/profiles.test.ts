import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handlerModule } from '../support/handler-module.ts'
import { type RawAnswer, rawRequest } from '../support/raw-request.ts'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'

const PUBLIC_URL = 'https://hooks.example/base'
const LATER = { run_at: '2099-01-01T00:00:00Z' }
const MODULE = `import { defineHandler, PermanentError, z } from 'posthorn/handlers'
const input = z.object({})
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
export const timed = defineHandler({ type: 'test.timed', input, run: () => sleep(1500) })
export const counted = defineHandler({ type: 'test.counted', input, run: () => 1 })
export const fails = defineHandler({ type: 'test.fails', input, run: () => {
  throw new PermanentError('No luck.', { code: 'no_luck' })
} })`

let posthorn: TestService
/** Where it listens; clients know it by another URL. */
let local: string
const jobs: Record<string, string> = { unknown: `job_${'0'.repeat(32)}` }

async function call(
  method: string,
  path: string,
  json?: object,
): Promise<RawAnswer & { data: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${API_KEY}`, host: 'evil.example', 'x-forwarded-host': 'evil.example' }
  const body = json === undefined ? '' : JSON.stringify(json)
  const more = json === undefined ? {} : { 'content-type': 'application/json', prefer: 'respond-async' }
  const answer = await rawRequest(local + path, { method, headers: { ...headers, ...more } }, (sent) => sent.end(body))
  expect(JSON.stringify(answer)).not.toContain('evil.example')
  return { ...answer, data: answer.body === '' ? {} : (JSON.parse(answer.body) as Record<string, unknown>) }
}

async function submit(json: object): Promise<string> {
  const { status, data } = await call('POST', '/v1/jobs', json)
  expect(status).toBe(202)
  return String(data.id)
}

async function reaches(id: string, status: string): Promise<void> {
  while ((await call('GET', `/v1/jobs/${id}`)).data.status !== status) await new Promise((go) => setTimeout(go, 20))
}

beforeAll(async () => {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address() as AddressInfo
  await once(socket.close(), 'close')
  local = `http://127.0.0.1:${port}`
  await using handlers = await handlerModule(MODULE)
  posthorn = await startTestService({
    POSTHORN_PORT: String(port),
    POSTHORN_PUBLIC_URL: PUBLIC_URL,
    POSTHORN_JOB_CONCURRENCY: '1',
    POSTHORN_HANDLERS: handlers.path,
  })
  for (const [state, json] of [
    ['completed', { type: 'test.timed', payload: {} }],
    ['failed', { type: 'test.fails', payload: {} }],
    ['processing', { type: 'echo', payload: { delay_ms: 600_000 } }],
  ] as const) {
    jobs[state] = await submit(json)
    await reaches(jobs[state], state)
  }
  jobs.scheduled = await submit({ type: 'test.timed', ...LATER })
  jobs.cancelled = await submit({ type: 'echo', ...LATER })
  await call('POST', `/v1/jobs/${jobs.cancelled}/cancel`)
  jobs.pending = await submit({ type: 'test.timed' })
})
afterAll(async () => {
  await call('POST', `/v1/jobs/${jobs.processing}/cancel`)
  await posthorn[Symbol.asyncDispose]()
})

const URLS = {
  plain: (id: string) => `/v1/jobs/${id}`,
  status: (id: string) => `/v1/jobs/${id}/status`,
  queue: (id: string) => `/v1/queue/requests/${id}`,
  result: (id: string) => `/v1/jobs/${id}/result`,
}
type Profile = keyof typeof URLS

const STATES = ['pending', 'scheduled', 'processing', 'completed', 'failed', 'cancelled', 'unknown']
const EXPECTED: Record<Profile, number[]> = {
  plain: [200, 200, 200, 200, 200, 200, 404],
  status: [200, 200, 200, 303, 200, 200, 404],
  queue: [200, 200, 200, 200, 200, 200, 404],
  result: [404, 404, 404, 200, 422, 409, 404],
}
const rows = (Object.keys(EXPECTED) as Profile[]).flatMap((profile) =>
  STATES.map((state, n) => [profile, state, EXPECTED[profile][n] as number] as const),
)

describe.each(rows)('%s of a job that is %s is %i', (profile, state, expected) => {
  const path = () => URLS[profile](String(jobs[state]))

  test('by status and headers, to GET and HEAD', async () => {
    const { status, headers } = await call('GET', path())
    expect(status).toBe(expected)
    const waiting = ['pending', 'scheduled', 'processing'].includes(state)
    expect(headers['retry-after'] ?? 'none').toMatch(waiting ? /^[1-9]\d?$/ : 'none')
    expect(headers['cache-control']).toBe(profile === 'plain' && expected === 200 ? 'private, no-cache' : 'no-store')
    if (state !== 'unknown') expect(headers.vary).toMatch(/\bPrefer\b/i)
    expect(headers.location).toBe(expected === 303 ? `${PUBLIC_URL}/v1/jobs/${jobs[state]}/result` : undefined)
    expect(headers['content-type']).toBe(`application/${expected < 400 ? '' : 'problem+'}json; charset=utf-8`)
    const head = await call('HEAD', path())
    expect([head.status, head.body]).toEqual([expected, ''])
    for (const name of ['content-type', 'cache-control', 'vary', 'location', 'retry-after', 'etag']) {
      expect([name, head.headers[name]]).toEqual([name, headers[name]])
    }
  })

  test('by its body', async () => {
    const { data, body } = await call('GET', path())
    if (profile === 'result' && state === 'completed') return expect(body).toBe('null')
    const links = data.links as { href: string; rel: string; method: string }[]
    for (const { href } of links) expect(href.startsWith(`${PUBLIC_URL}/`)).toBe(true)
    if (expected >= 400) {
      const code = { scheduled: 'result-not-ready', failed: 'job-failed', cancelled: 'job-cancelled' }[state]
      expect(data).toMatchObject({
        status: expected,
        code: state === 'unknown' ? 'not-found' : (code ?? 'result-not-ready'),
      })
      if (state === 'failed') expect(data.error).toMatchObject({ code: 'no_luck', detail: 'No luck.' })
      return
    }
    expect(data).toMatchObject({ id: jobs[state], status: state === 'scheduled' ? 'pending' : state })
    expect(links.map(({ rel }) => rel)).toEqual(expect.arrayContaining(['self', 'status', 'queue', 'result', 'events']))
    expect(data.error).toEqual(state === 'failed' ? expect.objectContaining({ code: 'no_luck', status: 422 }) : null)
    expect(links.find(({ rel }) => rel === 'result')?.href).toBe(`${PUBLIC_URL}/v1/jobs/${jobs[state]}/result`)
  })
})

test('the status URL does not redirect who does not want it', async () => {
  const { status, headers, data } = await call('GET', `${URLS.status(String(jobs.completed))}?redirect=false`)
  expect([status, headers.location, headers['retry-after']]).toEqual([200, undefined, undefined])
  expect(data).toMatchObject({ id: jobs.completed, status: 'completed', result: null })
})

describe('position', () => {
  test('counts the ready jobs of the type that are ahead, by priority and order of arrival', async () => {
    const ids: string[] = []
    for (const priority of [5, 5, 9, 5, 0]) ids.push(await submit({ type: 'test.counted', priority }))
    await submit({ type: 'test.counted', ...LATER, priority: 0 })
    for (const url of [URLS.queue, URLS.result]) {
      const answers = await Promise.all(ids.map((id) => call('GET', url(id))))
      expect(answers.map(({ data }) => data.position)).toEqual([1, 2, 4, 3, 0])
    }
    await call('POST', `/v1/jobs/${ids[4]}/cancel`)
    expect((await call('GET', URLS.queue(String(ids[0])))).data.position).toBe(0)
  })

  test('is said only of jobs that are ahead of their run', async () => {
    for (const state of ['scheduled', 'completed', 'failed', 'cancelled']) {
      expect((await call('GET', URLS.queue(String(jobs[state])))).data).not.toHaveProperty('position')
    }
    expect((await call('GET', URLS.plain(String(jobs.pending)))).data).not.toHaveProperty('position')
  })
})

test('Retry-After and estimated_completion grow with the jobs ahead, by recent runs of the type', async () => {
  // `pending` is the first of them; one run took 1.5 s.
  const ids = [String(jobs.pending)]
  for (let n = 0; n < 5; n++) ids.push(await submit({ type: 'test.timed' }))
  const now = Date.now()
  const answers = await Promise.all(ids.map((id) => call('GET', URLS.queue(id))))
  const waits = answers.map(({ headers }) => Number(headers['retry-after']))
  const left = answers.map(({ data }) => (Date.parse(String(data.estimated_completion)) - now) / 1000)
  for (const [n, seconds] of left.entries()) {
    expect(seconds).toBeGreaterThan((n + 1) * 1.5 - 0.5)
    expect(seconds).toBeLessThan((n + 1) * 1.7 + 0.5)
    expect(Math.abs((waits[n] as number) - seconds)).toBeLessThan(2)
  }
  expect(waits).toEqual(waits.toSorted((a, b) => a - b))
  expect(waits.at(-1)).toBeGreaterThan(waits[0] as number)
  expect((await call('GET', URLS.queue(await submit({ type: 'test.counted' })))).data.estimated_completion).toBe(null)
})

test('Retry-After of a job that waits for its time is not shorter than it must be', async () => {
  const soon = await submit({ type: 'test.counted', run_at: new Date(Date.now() + 30_000).toISOString() })
  expect(Number((await call('GET', URLS.plain(soon))).headers['retry-after'])).toBeGreaterThan(20)
})
