import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { rawRequest } from '../support/raw-request.ts'
import { ADMIN_KEY, API_KEY, finished, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let jobId: string
beforeAll(async () => {
  posthorn = await startTestService()
  jobId = await posthorn.submit({ type: 'echo', payload: {} })
  await posthorn.job(jobId, finished)
})
afterAll(() => posthorn[Symbol.asyncDispose]())

test('the type of a problem leads to what it means', async () => {
  const problem = await problemIn(await posthorn.api('/v1/nothing'), 404, 'not-found')
  expect(problem.type).toBe(`${posthorn.url}/problems/not-found`)
  const explained = await fetch(problem.type)
  expect(explained.status).toBe(200)
  expect(await explained.json()).toMatchObject({ code: 'not-found', status: 404, title: problem.title })
  await problemIn(await fetch(`${posthorn.url}/problems/no-such-code`), 404, 'not-found')
  await problemIn(await fetch(`${posthorn.url}/problems/constructor`), 404, 'not-found')
})

test('the types that clients meet are explained, each with what to do', async () => {
  const codes = [
    'malformed-request',
    'invalid-request',
    'unauthorized',
    'forbidden',
    'method-not-allowed',
    'job-finished',
  ]
  for (const code of codes) {
    const explained = (await (await fetch(`${posthorn.url}/problems/${code}`)).json()) as Record<string, unknown>
    expect(explained).toMatchObject({ code, status: expect.any(Number), help: expect.stringMatching(/\S/) })
  }
})

test('instance is the path of the request, and debug_id the id the client gave it', async () => {
  const response = await posthorn.api('/v1/jobs/job_1?secret=1', { headers: { 'x-request-id': 'my-id.1' } })
  const problem = await problemIn(response, 404, 'not-found')
  expect(problem).toMatchObject({ instance: '/v1/jobs/job_1', debug_id: 'my-id.1' })
})

describe('404:', () => {
  test.each([
    '/',
    '/v1',
    '/v1/',
    '/v1/jobs/',
    '/V1/jobs',
    '/v1/jobs/job_1/nothing',
    '/favicon.ico',
    '/../../etc/passwd',
    '/v1/%00',
  ])('%s', async (path) => {
    await problemIn(await posthorn.api(path), 404, 'not-found')
  })

  test('an unknown id is answered like one that cannot be', async () => {
    const unknown = 'job_01a1ffc0c0da7000b3a576e7e9b76ae0'
    const ids = [
      unknown,
      'job_1',
      'x',
      jobId.slice(4),
      `${jobId}0`,
      jobId.toUpperCase(),
      "'--",
      '%00',
      '%E0%A4%A',
      'a'.repeat(3000),
    ]
    const answers = await Promise.all(
      ids.map(async (id) => {
        const problem = await problemIn(await posthorn.api(`/v1/jobs/${id}`), 404, 'not-found')
        return { ...problem, instance: '', debug_id: '' }
      }),
    )
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })

  test.each([
    ['GET', '/v1/jobs/job_1/status'],
    ['GET', '/v1/jobs/job_1/result'],
    ['POST', '/v1/jobs/job_1/cancel'],
    ['DELETE', '/v1/jobs/job_1'],
    ['GET', '/v1/files/file_1'],
    ['GET', '/v1/deliveries/dlv_1'],
    ['POST', '/v1/deliveries/dlv_1/replay'],
  ])('%s %s', async (method, path) => {
    await problemIn(await posthorn.api(path, { method }), 404, 'not-found')
  })

  test.each(['/v1/admin/dead-letters/dead_1/replay', '/v1/admin/deliveries/dlv_1/replay'])('POST %s', async (path) => {
    await problemIn(await posthorn.api(path, { method: 'POST', key: ADMIN_KEY }), 404, 'not-found')
  })
})

describe('405 tells what is possible:', () => {
  test.each<[string, string, string[]]>([
    ['PUT', '/v1/jobs', ['GET', 'HEAD', 'POST']],
    ['PATCH', '/v1/jobs/job_1', ['DELETE', 'GET', 'HEAD']],
    ['GET', '/v1/jobs/job_1/cancel', ['POST']],
    ['DELETE', '/v1/jobs/job_1/status', ['GET', 'HEAD']],
    ['DELETE', '/v1/files', ['POST']],
    ['POST', '/v1/admin/dead-letters', ['GET', 'HEAD']],
    ['POST', '/healthz', ['GET', 'HEAD']],
    ['POST', '/openapi.json', ['GET', 'HEAD']],
    ['PUT', '/docs', ['GET', 'HEAD']],
    ['DELETE', '/problems/not-found', ['GET', 'HEAD']],
  ])('%s %s', async (method, path, allowed) => {
    const response = await posthorn.api(path, { method })
    await problemIn(response, 405, 'method-not-allowed')
    expect(
      response.headers
        .get('allow')
        ?.split(/\s*,\s*/)
        .sort(),
    ).toEqual(allowed)
  })
})

describe('401 asks for a key:', () => {
  test.each<[string, Record<string, string>]>([
    ['without one', {}],
    ['with a wrong one', { authorization: 'Bearer wrong-key-0123456789abcdefghijklmnop' }],
    ['with a part of it', { authorization: `Bearer ${API_KEY.slice(0, -1)}` }],
    ['with more than it', { authorization: `Bearer ${API_KEY}x` }],
    ['with two', { authorization: `Bearer ${API_KEY}, Bearer ${API_KEY}` }],
    ['with another scheme', { authorization: `Basic ${btoa(`${API_KEY}:`)}` }],
    ['with the key alone', { authorization: API_KEY }],
    ['with a huge one', { authorization: `Bearer ${'x'.repeat(8000)}` }],
  ])('%s', async (_name, headers) => {
    for (const path of ['/v1/jobs', '/v1/jobs/job_1', '/v1/admin/dead-letters']) {
      const response = await posthorn.api(path, { key: null, headers })
      await problemIn(response, 401, 'unauthorized')
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer\b/)
    }
  })

  test('in the query, where it is not read', async () => {
    const path = `/v1/jobs?access_token=${API_KEY}&api_key=${API_KEY}&key=${API_KEY}`
    const response = await posthorn.api(path, { key: null })
    expect(JSON.stringify(await problemIn(response, 401, 'unauthorized'))).not.toContain(API_KEY)
  })

  test('before anything of the body is read', async () => {
    const init = { key: null, method: 'POST', body: '{', headers: { 'content-type': 'text/plain' } }
    await problemIn(await posthorn.api('/v1/jobs', init), 401, 'unauthorized')
  })

  test('the scheme is written in any case', async () => {
    const response = await posthorn.api('/v1/jobs', { key: null, headers: { authorization: `bearer ${API_KEY}` } })
    expect(response.status).toBe(200)
  })
})

test('403: a client is no admin, and an admin no client', async () => {
  const letters = '/v1/admin/dead-letters'
  await problemIn(await posthorn.api(letters), 403, 'forbidden')
  await problemIn(await posthorn.api(`${letters}/dead_1/replay`, { method: 'POST' }), 403, 'forbidden')
  for (const path of ['/v1/jobs', `/v1/jobs/${jobId}`, '/v1/deliveries', '/v1/files/file_1']) {
    await problemIn(await posthorn.api(path, { key: ADMIN_KEY }), 403, 'forbidden')
  }
  expect((await posthorn.api(letters, { key: ADMIN_KEY })).status).toBe(200)
})

test.each(['not a host', 'a/../b', '[::1', ''])('a Host that is none changes nothing: %j', async (host) => {
  const answer = await rawRequest(`${posthorn.url}/v1/nothing`, { headers: { host } })
  expect([answer.status, answer.headers['content-type']]).toEqual([404, expect.stringMatching(/problem\+json/)])
  expect(JSON.parse(answer.body)).toMatchObject({ type: `${posthorn.url}/problems/not-found`, instance: '/v1/nothing' })
})

test('HEAD is answered like GET, without the body', async () => {
  for (const path of [`/v1/jobs/${jobId}`, '/v1/jobs', '/v1/nothing', '/healthz', '/openapi.json']) {
    const [get, head] = await Promise.all([posthorn.api(path), posthorn.api(path, { method: 'HEAD' })])
    expect([path, head.status]).toEqual([path, get.status])
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'))
    expect(await head.text()).toBe('')
    expect((await get.text()).length).toBeGreaterThan(0)
  }
  await problemIn(await posthorn.api('/v1/jobs', { key: null }), 401, 'unauthorized')
  expect((await posthorn.api('/v1/jobs', { key: null, method: 'HEAD' })).status).toBe(401)
})
