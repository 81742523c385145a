import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handlerModule } from '../support/handler-module.ts'
import { type AnswerChecker, answerChecker, type OpenApi } from '../support/openapi.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { HANDLERS, walk } from './walk.ts'

let posthorn: TestService
let receiver: Receiver
let document: OpenApi
let checker: AnswerChecker
beforeAll(async () => {
  await using handlers = await handlerModule(HANDLERS)
  receiver = await startReceiver()
  const env = { POSTHORN_HANDLERS: handlers.path, POSTHORN_SYNC_TIMEOUT: '1s', POSTHORN_POLL_LIMIT: '150' }
  posthorn = await startTestService(env)
  document = (await (await posthorn.api('/openapi.json', { key: null })).json()) as OpenApi
  checker = answerChecker(document)
  await walk(posthorn, receiver, checker.fetch)
}, 40_000)
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

test('the document is valid OpenAPI 3.1', async () => {
  expect(await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>)).toEqual({
    valid: true,
  })
})

test('the walk went through every operation that is documented, well and badly', () => {
  const all = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  )
  const met = (test: (status: number) => boolean) =>
    [...checker.seen]
      .filter((name) => test(Number(name.split(' ')[2])))
      .map((name) => name.split(' ').slice(0, 2).join(' '))
  const well = new Set(met((status) => status < 400))
  // A WebSocket is opened with other means.
  expect(all.filter((name) => !well.has(name) && name !== 'get /v1/jobs/{id}/ws')).toEqual([])
  expect([...checker.seen]).toContain('get /v1/jobs/{id} 429')
  const badly = new Set(met((status) => status >= 400))
  expect(all.filter((name) => !badly.has(name) && !/healthz|readyz|jwks|metrics/.test(name))).toEqual([])
})

describe('the document tells of every answer', () => {
  const faults = (kind: RegExp) => [...checker.faults].filter((fault) => kind.test(fault)).sort()
  test('its status', () => expect(faults(/: the (status|operation)/)).toEqual([]))
  test('its body', () => expect(faults(/ body/)).toEqual([]))
  test('its headers', () => expect(faults(/ header /)).toEqual([]))
})

test.each<[string, number[]]>([
  ['post /v1/jobs', [200, 202, 400, 409, 413, 415, 422, 502, 503, 504]],
  ['post /v1/jobs/batch', [200, 400, 413]],
  ['get /v1/jobs/{id}', [200, 304, 404, 410, 429]],
  ['get /v1/jobs/{id}/status', [200, 303, 404, 410, 429]],
  ['get /v1/queue/requests/{id}', [200, 404, 429]],
  ['get /v1/jobs/{id}/result', [200, 404, 409, 410, 422, 429, 502, 504]],
  ['get /v1/jobs/{id}/events', [200, 204, 404, 410]],
  ['post /v1/jobs/{id}/cancel', [200, 404, 409]],
  ['delete /v1/jobs/{id}', [204, 404, 409]],
  ['get /v1/files/{id}', [200, 206, 404, 416]],
  ['post /v1/events', [202, 400, 409, 413, 415, 422, 503]],
  ['get /v1/events', [200, 400, 429]],
])('every status of the contract is documented by itself: %s', (name, expected) => {
  const [method = '', path = ''] = name.split(' ')
  const documented = Object.keys(document.paths[path]?.[method]?.responses ?? {})
  expect(expected.filter((status) => !documented.includes(String(status)))).toEqual([])
})

test.each<[string, string[]]>([
  ['post /v1/jobs', ['idempotency-key', 'paypal-request-id', 'prefer']],
  ['get /v1/jobs/{id}', ['if-none-match', 'prefer']],
  ['get /v1/jobs/{id}/status', ['prefer']],
  ['get /v1/queue/requests/{id}', ['prefer']],
  ['get /v1/jobs/{id}/result', ['prefer']],
  ['get /v1/jobs/{id}/events', ['last-event-id']],
  ['get /v1/files/{id}', ['range']],
  ['post /v1/events', ['idempotency-key', 'traceparent']],
  ['get /v1/events', ['prefer']],
  ['post /v1/files', ['idempotency-key']],
])('every header that a request may bring is documented: %s', (name, expected) => {
  const [method = '', path = ''] = name.split(' ')
  const documented = (document.paths[path]?.[method]?.parameters ?? []).filter((parameter) => parameter.in === 'header')
  expect(documented.map((parameter) => parameter.name.toLowerCase())).toEqual(expect.arrayContaining(expected))
})
