import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handlerModule } from '../support/handler-module.ts'
import { problemIn } from '../support/problem.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { API_KEY, finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

const MODULE = `import { defineHandler, PermanentError, z } from 'posthorn/handlers'
const input = z.object({})
export const fails = defineHandler({ type: 'test.fails', input, run: () => {
  throw new PermanentError('No luck.', { code: 'no_luck', data: { tried: 1 } })
} })
export const slow = defineHandler({ type: 'test.times-out', input, timeoutS: 0.1, maxAttempts: 1,
  run: ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))) })`

let patient: TestService
/** Its sync timeout is 300 ms. */
let hasty: TestService
let receiver: Receiver
const held = new Map<string, ServerResponse>()
beforeAll(async () => {
  await using handlers = await handlerModule(MODULE)
  patient = await startTestService({ POSTHORN_HANDLERS: handlers.path })
  hasty = await startTestService({ POSTHORN_SYNC_TIMEOUT: '300ms' })
  receiver = await startReceiver()
  receiver.answer = (hit, response) => held.set(hit.path, response)
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await Promise.all([patient[Symbol.asyncDispose](), hasty[Symbol.asyncDispose]()])
})

const HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }
const QUICK = { type: 'echo', payload: { a: 1 } }

function post(json: object, prefer?: string, { url } = patient, signal?: AbortSignal): Promise<Response> {
  const headers = { ...HEADERS, ...(prefer === undefined ? {} : { prefer }) }
  return fetch(`${url}/v1/jobs`, { method: 'POST', body: JSON.stringify(json), headers, ...(signal && { signal }) })
}

/** A job that ends when it is told to. */
function gated() {
  const path = `/${crypto.randomUUID()}`
  const json = { type: 'http.request', payload: { url: receiver.url + path }, max_attempts: 1 }
  const id = async () => String((await receiver.waitFor(1, (hit) => hit.path === path))[0]?.headers['idempotency-key'])
  const end = async (status = 200) => {
    await id()
    held.get(path)?.writeHead(status).end('done')
  }
  return { json, id, end }
}

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const from = performance.now()
  return [await work, performance.now() - from]
}

async function jobBehind(links: { href: string; rel: string }[]): Promise<JobBody> {
  const self = links.find(({ rel }) => rel === 'self')?.href ?? ''
  return (await (await fetch(self, { headers: HEADERS })).json()) as JobBody
}

describe('without Prefer', () => {
  test('the answer is the finished job with its result', async () => {
    const response = await post(QUICK)
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(response.headers.has('retry-after')).toBe(false)
    expect(response.headers.get('preference-applied') ?? '').not.toContain('respond-async')
    const job = (await response.json()) as JobBody
    expect(job).toMatchObject({ status: 'completed', result: { a: 1 }, progress: 100 })
    expect(await patient.job(job.id)).toEqual(job)
  })

  test.each([
    [422, 'job-failed', { type: 'test.fails' }, { code: 'no_luck', data: { tried: 1 } }],
    [504, 'job-timed-out', { type: 'test.times-out' }, { code: 'timeout' }],
    [502, 'job-failed-upstream', null, { code: 'upstream_error', data: { status: 404 } }],
  ])('a job that fails is answered with its own problem: %i %s', async (status, code, json, error) => {
    const gate = gated()
    const answer = post(json ?? gate.json)
    if (json === null) await gate.end(404)
    const problem = await problemIn(await answer, status, code)
    expect(problem.error).toMatchObject({ status, ...error })
    expect(await jobBehind(problem.links)).toMatchObject({ status: 'failed', error: problem.error })
  })

  test('a job that is cancelled meanwhile is answered with 409 at once', async () => {
    const gate = gated()
    const answer = post(gate.json)
    const id = await gate.id()
    expect((await patient.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })).status).toBe(200)
    const [response, ms] = await timed(answer)
    expect((await jobBehind((await problemIn(response, 409, 'job-cancelled')).links)).id).toBe(id)
    expect(ms).toBeLessThan(3000)
  })

  test('a job that takes longer is answered with 504, and goes on to its end', async () => {
    const gate = gated()
    const [response, ms] = await timed(post(gate.json, undefined, hasty))
    const { links } = await problemIn(response, 504, 'sync-timeout')
    expect(ms).toBeGreaterThan(290)
    expect(ms).toBeLessThan(2000)
    expect(links.map(({ rel }) => rel)).toEqual(expect.arrayContaining(['self', 'status', 'result', 'cancel']))
    const { id, status } = await jobBehind(links)
    expect(status).toBe('processing')
    await gate.end()
    expect(await hasty.job(id, finished)).toMatchObject({ status: 'completed', result: { body: 'done' } })
  })
})

describe('how long a request is held:', () => {
  // What is asked, of which service, how it is answered, and after how many ms at least and at most.
  test.each<[string, 'patient' | 'hasty', number, number, number]>([
    ['wait=1', 'patient', 504, 990, 2500],
    ['wait=0', 'patient', 504, 0, 800],
    ['wait=60', 'hasty', 504, 290, 2000],
    ['respond-async', 'patient', 202, 0, 800],
    ['respond-async, wait=0', 'patient', 202, 0, 800],
    ['respond-async, wait=1', 'patient', 202, 990, 2500],
    ['wait=1, respond-async', 'patient', 202, 990, 2500],
    ['respond-async; x=y , Wait = "1"; z', 'patient', 202, 990, 2500],
    ['respond-async,,wait=1, wait=30', 'patient', 202, 990, 2500],
    ['respond-async, wait=60', 'hasty', 202, 290, 2000],
    ['respond-async, wait=-1', 'patient', 202, 0, 800],
    ['respond-async, wait=1.5', 'patient', 202, 0, 800],
    ['respond-async, wait=1s', 'patient', 202, 0, 800],
    ['respond-async, wait', 'patient', 202, 0, 800],
  ])('Prefer: %s', { concurrent: true }, async (prefer, service, status, least, most) => {
    const json = { ...QUICK, run_at: '2099-01-01T00:00:00Z' }
    const [response, ms] = await timed(post(json, prefer, service === 'patient' ? patient : hasty))
    expect(response.status).toBe(status)
    expect(ms).toBeGreaterThanOrEqual(least)
    expect(ms).toBeLessThan(most)
  })

  test.each(['respond-async, wait=5', 'wait=5', 'respond-async, wait=99999999999'])(
    'a job that ends in time is answered as if synchronous: %s',
    async (prefer) => {
      const response = await post(QUICK, prefer)
      expect([response.status, await response.json()]).toMatchObject([200, { status: 'completed', result: { a: 1 } }])
      expect(response.headers.get('preference-applied') ?? '').not.toContain('respond-async')
      await problemIn(await post({ type: 'test.fails' }, prefer), 422, 'job-failed')
    },
  )

  test('the answer comes when the job ends, not when somebody looks next', async () => {
    const gate = gated()
    const answers = [post(gate.json, 'respond-async, wait=20'), patient.api('/healthz')]
    await gate.id()
    await gate.end()
    const [response, ms] = await timed(answers[0] as Promise<Response>)
    expect(response.status).toBe(200)
    expect(ms).toBeLessThan(2000)
  })

  test('50 requests are held at once, and others are answered meanwhile', async () => {
    const held = Array.from({ length: 50 }, (_, n) => post({ type: 'echo', payload: { n, delay_ms: 300 } }))
    const [health, ms] = await timed(patient.api('/v1/jobs?limit=1'))
    expect([health.status, ms < 1000]).toEqual([200, true])
    const jobs = await Promise.all(held.map(async (one) => (await (await one).json()) as JobBody))
    expect(jobs.map(({ result }) => result)).toEqual(jobs.map((_, n) => ({ n, delay_ms: 300 })))
  })
})
