import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawRequest } from '../support/raw-request.ts'
import { startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

test('/healthz says that the process lives, without a key', async () => {
  const response = await posthorn.api('/healthz', { key: null })
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ status: 'ok' })
  expect(response.headers.get('cache-control')).toBe('no-store')
})

test('/readyz says of each part that it is well, without a key', async () => {
  const response = await posthorn.api('/readyz', { key: null })
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ status: 'ok', checks: { database: 'ok', loops: 'ok' } })
  expect(response.headers.get('cache-control')).toBe('no-store')
})

describe('X-Request-Id', () => {
  test.each(['a', 'req-1.2_3', 'A'.repeat(128)])('is given back when it is harmless: %s', async (id) => {
    const response = await posthorn.api('/healthz', { headers: { 'x-request-id': id } })
    expect(response.headers.get('x-request-id')).toBe(id)
  })

  test.each(['', 'two words', 'A'.repeat(129), '<script>', 'a,b', '"quoted"', 'a\tb', 'é'])(
    'is replaced when it is not: %j',
    async (id) => {
      const response = await posthorn.api('/healthz', { headers: { 'x-request-id': id } })
      expect(response.headers.get('x-request-id')).toMatch(/^req_\w+$/)
    },
  )

  test('is on every answer, and new each time', async () => {
    const paths = ['/healthz', '/readyz', '/docs', '/openapi.json', '/v1/jobs', '/v1/nothing', '/problems/not-found']
    const responses = await Promise.all(
      [...paths.map((path) => [path, 'GET'] as const), ['/v1/jobs', 'PUT'] as const].map(([path, method]) =>
        posthorn.api(path, { method }),
      ),
    )
    const ids = responses.map(({ headers }) => headers.get('x-request-id'))
    for (const id of ids) expect(id).toMatch(/^req_\w+$/)
    expect(new Set(ids).size).toBe(responses.length)
  })

  test('is one, also when two were sent', async () => {
    const headers = { 'x-request-id': ['a', 'b'] }
    const answer = await rawRequest(`${posthorn.url}/healthz`, { headers })
    expect(answer.headers['x-request-id']).toMatch(/^req_\w+$/)
  })
})

test('after it has stopped nobody answers', async () => {
  const other = await startTestService()
  expect((await fetch(`${other.url}/healthz`)).status).toBe(200)
  await other[Symbol.asyncDispose]()
  await expect(fetch(`${other.url}/healthz`)).rejects.toThrow()
})
