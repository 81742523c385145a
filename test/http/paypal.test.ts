import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handlerModule } from '../support/handler-module.ts'
import { problemIn } from '../support/problem.ts'
import { API_KEY, finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

const MODULE = `import { defineHandler, PermanentError, z } from 'posthorn/handlers'
export const fails = defineHandler({ type: 'test.fails', input: z.object({}), run: () => {
  throw new PermanentError('No luck.', { code: 'no_luck' })
} })`

let posthorn: TestService
beforeAll(async () => {
  await using handlers = await handlerModule(MODULE)
  posthorn = await startTestService({ POSTHORN_REQUIRE_IDEMPOTENCY_KEY: 'true', POSTHORN_HANDLERS: handlers.path })
})
afterAll(() => posthorn[Symbol.asyncDispose]())

const ASYNC = { prefer: 'respond-async' }
const LATER = { type: 'echo', run_at: '2099-01-01T00:00:00Z' }

/** Sends exactly these headers, so without Prefer unless it is among them. */
function post(json: object, headers: Record<string, string>): Promise<Response> {
  const own = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }
  return fetch(`${posthorn.url}/v1/jobs`, {
    method: 'POST',
    body: JSON.stringify(json),
    headers: { ...own, ...headers },
  })
}

const key = () => ({ 'paypal-request-id': crypto.randomUUID() })

describe('PayPal-Request-Id', () => {
  test('with respond-async: 202 with links first, then 200 with the current state', async () => {
    const headers = { ...key(), ...ASYNC }
    const json = { type: 'echo', payload: { delay_ms: 400 } }
    const first = await post(json, headers)
    expect([first.status, first.headers.has('idempotent-replayed')]).toEqual([202, false])
    const { id, links } = (await first.json()) as JobBody & { links: { rel: string; href: string; method: string }[] }
    expect(links).toEqual(
      expect.arrayContaining([
        { rel: 'self', href: `${posthorn.url}/v1/jobs/${id}`, method: 'GET' },
        { rel: 'queue', href: `${posthorn.url}/v1/queue/requests/${id}`, method: 'GET' },
      ]),
    )
    const early = await post(json, headers)
    expect(early.status).toBe(200)
    const current = (await early.json()) as JobBody
    expect([current.id, ['pending', 'processing'].includes(current.status), current.result]).toEqual([
      id,
      true,
      undefined,
    ])
    const job = await posthorn.job(id, finished)
    const late = await post(json, headers)
    expect([late.status, late.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(await late.json()).toEqual(job)
  })

  test('without Prefer: 200 with the result, then the same', async () => {
    const headers = key()
    const json = { type: 'echo', payload: { a: 1 } }
    const first = await post(json, headers)
    const job = (await first.json()) as JobBody
    expect([first.status, job]).toMatchObject([200, { status: 'completed', result: { a: 1 } }])
    const again = await post(json, headers)
    expect([again.status, again.headers.get('idempotent-replayed'), await again.json()]).toEqual([200, 'true', job])
  })

  test('a repeat shows a cancelled job as it is', async () => {
    const headers = { ...key(), ...ASYNC }
    const { id } = (await (await post(LATER, headers)).json()) as JobBody
    await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
    const again = await post(LATER, headers)
    expect([again.status, await again.json()]).toMatchObject([200, { id, status: 'cancelled' }])
  })

  test('a repeat shows a failed job as it is', async () => {
    const headers = { ...key(), ...ASYNC }
    const { id } = (await (await post({ type: 'test.fails' }, headers)).json()) as JobBody
    await posthorn.job(id, finished)
    const again = await post({ type: 'test.fails' }, headers)
    expect([again.status, await again.json()]).toMatchObject([
      200,
      { id, status: 'failed', error: { code: 'no_luck' } },
    ])
  })

  test('20 at once make one job, each answered with it', async () => {
    const headers = { ...key(), ...ASYNC }
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(LATER, headers)))
    for (const { status } of answers) expect([200, 202]).toContain(status)
    expect(answers.filter(({ status }) => status === 202).length).toBe(1)
    const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as JobBody).id))
    expect(new Set(ids).size).toBe(1)
  })

  test('is the same key as Idempotency-Key, each with its own answer', async () => {
    const id = crypto.randomUUID()
    const first = await post(LATER, { 'paypal-request-id': id, ...ASYNC })
    const again = await post(LATER, { 'idempotency-key': `"${id}"`, ...ASYNC })
    expect([again.status, await again.text()]).toEqual([202, await first.text()])
    expect((await post(LATER, { 'paypal-request-id': id, ...ASYNC })).status).toBe(200)
  })

  test('and Idempotency-Key may come together when they are the same', async () => {
    const id = crypto.randomUUID()
    expect((await post(LATER, { 'paypal-request-id': id, 'idempotency-key': id, ...ASYNC })).status).toBe(202)
    const quoted = { 'paypal-request-id': id, 'idempotency-key': `"${id}"`, ...ASYNC }
    expect([200, 202]).toContain((await post(LATER, quoted)).status)
  })
})

describe('the error has the members of PayPal, of which each 4xx has details or a link:', () => {
  const message = { message: expect.stringMatching(/\S/), debug_id: expect.stringMatching(/^\S+$/) }

  test('422 for another body', async () => {
    const headers = { ...key(), ...ASYNC }
    await post(LATER, headers)
    const problem = await problemIn(await post({ ...LATER, priority: 1 }, headers), 422, 'idempotency-key-reused')
    expect(problem).toMatchObject({ name: 'IDEMPOTENCY_KEY_REUSED', ...message })
    expect(problem.links).toContainEqual({ href: problem.type, rel: 'describedby', method: 'GET' })
  })

  test('400 when both headers are there and differ', async () => {
    const headers = { 'paypal-request-id': 'one', 'idempotency-key': 'two', ...ASYNC }
    const problem = await problemIn(await post(LATER, headers), 400, 'malformed-request')
    expect(problem.details).toEqual([expect.objectContaining({ field: 'PayPal-Request-Id', location: 'header' })])
  })

  test('400 when it is required and absent, or malformed', async () => {
    const absent = await problemIn(await post(LATER, ASYNC), 400, 'idempotency-key-required')
    expect(absent).toMatchObject({ name: 'IDEMPOTENCY_KEY_REQUIRED', ...message, links: [{ rel: 'describedby' }] })
    for (const bad of ['', 'a b', 'x'.repeat(256), '"a']) {
      const problem = await problemIn(
        await post(LATER, { 'paypal-request-id': bad, ...ASYNC }),
        400,
        'malformed-request',
      )
      expect(problem.details).toMatchObject([{ field: 'PayPal-Request-Id', issue: expect.stringMatching(/\S/) }])
    }
  })

  test('400 with a JSON Pointer and an issue for what is wrong in the body', async () => {
    const problem = await problemIn(await post({ type: 'echo', priority: 'high' }, key()), 400, 'invalid-request')
    expect(problem).toMatchObject({ name: 'INVALID_REQUEST', ...message })
    expect(problem.details).toEqual([{ field: '/priority', issue: expect.stringMatching(/\S/), location: 'body' }])
  })
})
