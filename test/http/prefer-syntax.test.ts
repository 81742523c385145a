import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { API_KEY, finished, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

const HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }
const QUICK = { type: 'echo', payload: {} }
const LATER = { ...QUICK, run_at: '2099-01-01T00:00:00Z' }

function post(json: object, prefer?: string, more: Record<string, string> = {}): Promise<Response> {
  const headers = { ...HEADERS, ...more, ...(prefer === undefined ? {} : { prefer }) }
  return fetch(`${posthorn.url}/v1/jobs`, { method: 'POST', body: JSON.stringify(json), headers })
}

/** The head of the answer to a request with these header lines, as they are. */
async function rawHead(...lines: string[]): Promise<string> {
  const { hostname, port } = new URL(posthorn.url)
  const body = JSON.stringify(QUICK)
  const own = Object.entries({ host: 'x', connection: 'close', 'content-length': body.length, ...HEADERS })
  const socket = connect(Number(port), hostname).setEncoding('latin1')
  socket.write(
    ['POST /v1/jobs HTTP/1.1', ...own.map(([name, value]) => `${name}: ${value}`), ...lines, '', body].join('\r\n'),
  )
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  await once(socket, 'close')
  return answer.split('\r\n\r\n')[0] as string
}

describe('respond-async is found', () => {
  test.each([
    'Respond-Async',
    'RESPOND-ASYNC',
    'respond-async=""',
    'respond-async = ""',
    'respond-async; foo=bar',
    'respond-async ;foo="a, b"; c',
    'foo, bar=baz; q="x,y", respond-async',
    'foo="a, b", respond-async',
    'foo="a \\" b", respond-async',
    ', ,respond-async,,',
    'respond-async, respond-async',
    'respond-async, return=minimal, return=representation',
    'a/b, =x, @, respond-async',
  ])('in %s', async (prefer) => {
    const response = await post(QUICK, prefer)
    expect([response.status, response.headers.get('retry-after')]).toEqual([202, expect.stringMatching(/^[1-9]\d*$/)])
  })

  test('in the second of two header lines', async () => {
    const head = await rawHead('Prefer: foo=bar', 'Prefer: Respond-Async')
    expect(head).toMatch(/^HTTP\/1.1 202 /)
    expect(head).toMatch(/^preference-applied: respond-async$/im)
  })
})

describe('respond-async is not meant', () => {
  test.each([
    'foo="a, respond-async"',
    'foo; respond-async',
    'foo; bar="x, respond-async"',
    'respond-async=false',
    'respond-async=0',
    'x-respond-async',
    'respond-async-please',
    '"respond-async"',
    'foo="respond-async, respond-async',
    'foo="a\\", respond-async"',
    '',
    ',',
  ])('in %s', async (prefer) => {
    const response = await post(QUICK, prefer)
    expect([response.status, await response.json()]).toMatchObject([200, { status: 'completed' }])
  })

  test('in a parameter on the second of two header lines', async () => {
    expect(await rawHead('Prefer: foo=bar', 'Prefer: baz; respond-async')).toMatch(/^HTTP\/1.1 200 /)
  })
})

describe('handling=strict', () => {
  const unknown = { ...QUICK, colour: 'red' }

  test.each(['handling=strict', 'Handling="strict"', 'respond-async, handling=strict; x'])(
    'refuses members the service does not know: %s',
    async (prefer) => {
      const key = crypto.randomUUID()
      const problem = await problemIn(await post(unknown, prefer, { 'idempotency-key': key }), 400, 'invalid-request')
      expect(JSON.stringify(problem.details)).toContain('colour')
      // Nothing was made, so the key is still free.
      expect((await post(QUICK, 'respond-async', { 'idempotency-key': key })).status).toBe(202)
    },
  )

  test('points at what it refuses', async () => {
    const { details } = await problemIn(await post(unknown, 'handling=strict'), 400, 'invalid-request')
    expect(details.map(({ field, location }) => `${location} ${field}`)).toEqual(['body /colour'])
  })

  test('takes what is right, and leaves payload and metadata alone', async () => {
    const json = { ...QUICK, payload: { colour: 'red' }, metadata: { colour: 'red' } }
    expect((await post(json, 'respond-async, handling=strict')).status).toBe(202)
  })

  test.each(['respond-async', 'respond-async, handling=lenient', 'respond-async, handling=STRICT-ish'])(
    'is not meant by %s',
    async (prefer) => {
      expect((await post(unknown, prefer)).status).toBe(202)
    },
  )
})

describe('return=minimal', () => {
  test('leaves the id and the links of a 202, and nothing of its headers out', async () => {
    const response = await post(LATER, 'respond-async, return=minimal')
    const body = (await response.json()) as { id: string }
    expect(body).toEqual({ id: expect.stringMatching(/^job_/), links: expect.any(Array) })
    expect(response.headers.get('location')).toBe(`${posthorn.url}/v1/jobs/${body.id}/status`)
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(response.headers.get('preference-applied')).toBe('respond-async, return=minimal')
  })

  test.each(['respond-async, return=representation', 'respond-async, return="minimal, or not"'])(
    'is not meant by %s',
    async (prefer) => {
      expect(await (await post(LATER, prefer)).json()).toHaveProperty('created_at')
    },
  )
})

test('Preference-Applied says what was honoured, without parameters', async () => {
  const applied = async (prefer: string) => (await post(LATER, prefer)).headers.get('preference-applied')
  expect(await applied('respond-async; a=b')).toBe('respond-async')
  expect(await applied('foo, wait=1, respond-async')).toBe('respond-async, wait=1')
  expect((await post(QUICK)).headers.has('preference-applied')).toBe(false)
})

describe('Vary names Prefer', () => {
  test.each<[number, object, string | undefined]>([
    [200, QUICK, undefined],
    [202, QUICK, 'respond-async'],
    [504, LATER, 'wait=0'],
    [400, { ...QUICK, colour: 'red' }, 'handling=strict'],
    [400, { payload: {} }, undefined],
    [422, { type: 'no.such.type' }, 'respond-async'],
  ])('on %i to %j', async (status, json, prefer) => {
    const response = await post(json, prefer)
    expect([response.status, response.headers.get('vary')]).toEqual([status, expect.stringMatching(/\bPrefer\b/i)])
  })
})

describe('who is held', () => {
  const timers = () => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length

  test('is let go with an answer when the service stops', async () => {
    await using leaving = await startTestService()
    const { url } = leaving
    const init = { method: 'POST', body: JSON.stringify(LATER), headers: HEADERS }
    const answers = [
      fetch(`${url}/v1/jobs`, init),
      fetch(`${url}/v1/jobs`, { ...init, headers: { ...HEADERS, prefer: 'respond-async, wait=20' } }),
    ]
    await expect.poll(async () => ((await (await leaving.api('/v1/jobs')).json()) as { data: [] }).data.length).toBe(2)
    const from = performance.now()
    await leaving.service.stop()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([504, 202])
    expect(performance.now() - from).toBeLessThan(3000)
  })

  test('and goes away leaves nothing behind, and the job is done all the same', async () => {
    const before = timers()
    const gone = new AbortController()
    const soon = new Date(Date.now() + 2000).toISOString()
    const init = { method: 'POST', headers: HEADERS, signal: gone.signal }
    const body = JSON.stringify({ ...QUICK, run_at: soon, metadata: { gone: 'yes' } })
    const requests = Array.from({ length: 30 }, () => fetch(`${posthorn.url}/v1/jobs`, { ...init, body }))
    const settled = Promise.allSettled(requests)
    await expect.poll(timers).toBeGreaterThanOrEqual(before + 30)
    gone.abort()
    await settled
    await expect.poll(timers).toBeLessThan(before + 15)
    const { data } = (await (await posthorn.api('/v1/jobs?limit=30')).json()) as { data: { id: string }[] }
    for (const { id } of data) {
      expect(await posthorn.job(id, finished)).toMatchObject({ status: 'completed', metadata: { gone: 'yes' } })
    }
  })
})
