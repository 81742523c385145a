import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPERATIONAL_EVENTS } from '../../src/core/event-types.ts'
import { noticeMaker } from '../../src/delivery/notices.ts'
import { newEndpointRow } from '../../src/store/new-rows.ts'
import { deadLetterRow } from '../../src/store/settle-rows.ts'
import type { ClaimedDelivery, DeadLetter } from '../../src/store/store.ts'
import { record } from '../store/fixtures.ts'
import { fakeClock } from '../support/clock.ts'
import { startTestService, type TestService } from '../support/service.ts'

type Node = Record<string, unknown>
interface Operation extends Node {
  summary: string
  tags: string[]
  security: Node[]
  parameters?: { name: string; in: string; required?: boolean; schema: Node }[]
  responses: Record<string, Node & { description: string; headers?: Node; content?: Node }>
  requestBody?: { content: Record<string, { schema: Node }> }
  callbacks?: Record<string, Record<string, { post: Operation }>>
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

let posthorn: TestService
interface Document extends Node {
  paths: Record<string, Record<string, Operation>>
  webhooks: Record<string, { post: Operation }>
  components: Record<string, Node>
}
let document: Document
beforeAll(async () => {
  posthorn = await startTestService()
  document = (await (await posthorn.api('/openapi.json', { key: null })).json()) as typeof document
})
afterAll(() => posthorn[Symbol.asyncDispose]())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  )

/** Every object in the document, with the JSON Pointer that leads to it. */
function* nodes(value: unknown, pointer = '#'): Generator<[string, Node]> {
  if (typeof value !== 'object' || value === null) return
  yield [pointer, value as Node]
  for (const [key, child] of Object.entries(value)) {
    yield* nodes(child, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }
}

test('the document is JSON of OpenAPI 3.1 about this service', async () => {
  const response = await posthorn.api('/openapi.json', { key: null })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
  expect(document.openapi).toMatch(/^3\.1\.\d+$/)
  expect(document.info).toMatchObject({ title: 'Posthorn', version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
  expect(document.servers).toEqual([{ url: posthorn.url }])
  const allowed = ['openapi', 'info', 'servers', 'paths', 'webhooks', 'components', 'security', 'tags', 'externalDocs']
  for (const member of Object.keys(document)) expect(allowed).toContain(member)
})

test('every $ref leads to something', () => {
  const pointers = new Set([...nodes(document)].map(([pointer]) => pointer))
  const refs = [...nodes(document)].flatMap(([, { $ref }]) => (typeof $ref === 'string' ? [$ref] : []))
  expect(refs.length).toBeGreaterThan(10)
  for (const ref of refs) expect(pointers).toContain(ref)
})

test('nothing of OpenAPI 3.0 is left in its schemas', () => {
  for (const [pointer, node] of nodes(document)) {
    expect([pointer, typeof node.nullable]).toEqual([pointer, 'undefined'])
    expect([pointer, typeof node.exclusiveMinimum]).not.toEqual([pointer, 'boolean'])
  }
})

test('no two paths are the same but for the names of their parameters', () => {
  const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, '{}'))
  expect(new Set(shapes).size).toBe(shapes.length)
})

test('every operation is whole', () => {
  expect(operations().length).toBeGreaterThan(12)
  for (const { path, method, operation } of operations()) {
    const name = `${method} ${path}`
    expect([name, path.startsWith('/'), METHODS.includes(method)]).toEqual([name, true, true])
    expect([name, operation.summary, operation.tags]).toEqual([name, expect.stringMatching(/\S/), [expect.any(String)]])
    expect([name, Object.keys(operation.responses).length]).not.toEqual([name, 0])
    for (const [status, response] of Object.entries(operation.responses)) {
      expect([name, status, response.description]).toEqual([
        name,
        expect.stringMatching(/^([1-5]\d\d|[1-5]XX|default)$/),
        expect.stringMatching(/\S/),
      ])
    }
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
    expect([name, declared.map((parameter) => parameter.name)]).toEqual([name, inPath])
    for (const parameter of declared) expect([name, parameter.required]).toEqual([name, true])
    const all = (operation.parameters ?? []).map((parameter) => `${parameter.in} ${parameter.name.toLowerCase()}`)
    expect([name, new Set(all).size]).toEqual([name, all.length])
    const problem = operation.responses.default?.content as Record<string, unknown>
    expect([name, Object.keys(problem)]).toEqual([name, ['application/problem+json']])
  }
})

test('it says which key each operation needs', () => {
  const schemes = document.components.securitySchemes as Record<string, Node>
  for (const scheme of Object.values(schemes)) expect(scheme).toMatchObject({ type: 'http', scheme: 'bearer' })
  for (const { path, operation } of operations()) {
    const needed = operation.security.flatMap((entry) => Object.keys(entry))
    // Whoever ends a job from outside has its token instead.
    if (/\/(?:complete|fail)$/.test(path)) continue
    const role = path.startsWith('/v1/admin/') ? ['admin'] : path.startsWith('/v1/') ? ['client'] : []
    expect([path, needed]).toEqual([path, role])
    for (const name of needed) expect(Object.keys(schemes)).toContain(name)
  }
})

describe('submitting a job', () => {
  const submit = () => document.paths['/v1/jobs']?.post as Operation

  test('has its headers and those of its 202', () => {
    const headers = submit().parameters?.filter((parameter) => parameter.in === 'header')
    expect(headers?.map(({ name }) => name.toLowerCase())).toEqual(
      expect.arrayContaining(['idempotency-key', 'prefer']),
    )
    const accepted = Object.keys(submit().responses['202']?.headers ?? {}).map((name) => name.toLowerCase())
    expect(accepted).toEqual(expect.arrayContaining(['location', 'retry-after', 'preference-applied']))
  })

  test('has the callback with the headers of Standard Webhooks', () => {
    const callbacks = Object.values(submit().callbacks ?? {}).flatMap((urls) => Object.entries(urls))
    expect(callbacks.map(([url]) => url)).toEqual(['{$request.body#/callback_url}'])
    const { post } = (callbacks[0] as [string, { post: Operation }])[1]
    const required = post.parameters?.filter((parameter) => parameter.in === 'header' && parameter.required)
    expect(required?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['webhook-id', 'webhook-timestamp', 'webhook-signature', 'webhook-attempt']),
    )
    expect(Object.keys(post.responses)).toEqual(expect.arrayContaining(['2XX', '410']))
    const content = (post.requestBody as { content: Record<string, { schema: Node }> }).content
    expect(content['application/json']?.schema.$ref).toBe('#/components/schemas/JobEvent')
  })
})

test('the operational events are documented as they are made', () => {
  const clock = fakeClock()
  const notices = noticeMaker(clock, 1000)
  const url = 'https://receiver.example/'
  const endpoint = newEndpointRow({ id: 'ep_1', tenantId: 'ten_1', kind: 'registered', url, createdAt: 0 })
  const letter = deadLetterRow(
    {
      ...record(fakeClock(), {} as ClaimedDelivery),
      decision: { next: 'dead', reason: 'gone', errorClass: 'http_status', error: 'Gone.' },
    },
    () => 0,
  )
  const made = [
    ...notices.ofLane(endpoint, { recovered: true, disabled: 'gone' }, 'order.paid', clock.now()),
    ...notices.ofDeath(
      { ...(letter as DeadLetter), deliveryId: 'd', eventId: 'e', endpointId: 'ep_1', attempts: 1 },
      'a',
    ),
    ...notices.ofBacklog(endpoint, { pending: 3, oldestDueAt: 0 }, 'order.paid', clock.now()),
  ]
  const ajv = new Ajv2020({ strict: false })
  addFormats.default(ajv)
  for (const { type, body } of made) {
    const documented = document.webhooks[type]?.post.requestBody
    const validate = ajv.compile({ unevaluatedProperties: false, ...documented?.content['application/json']?.schema })
    expect([type, validate(JSON.parse(body)), validate.errors]).toEqual([type, true, null])
    for (const eventType of OPERATIONAL_EVENTS) {
      expect(notices.ofLane(endpoint, { recovered: true, disabled: 'gone' }, eventType, 0)).toEqual([])
    }
  }
  expect(made.map(({ type }) => type).sort()).toEqual([...OPERATIONAL_EVENTS].sort())
  expect(Object.keys(document.webhooks)).toEqual(expect.arrayContaining([...OPERATIONAL_EVENTS, 'webhook.test']))
})

test('every route that is documented exists, and says so to the wrong method', async () => {
  for (const [path, item] of Object.entries(document.paths)) {
    const response = await posthorn.api(path.replaceAll(/\{\w+\}/g, 'x'), { method: 'PUT' })
    expect([path, response.status]).toEqual([path, 405])
    const allowed = response.headers.get('allow')?.toLowerCase().split(', ')
    expect([path, allowed?.filter((method) => method !== 'head').sort()]).toEqual([path, Object.keys(item).sort()])
  }
})

test('every route that is linked to is documented', async () => {
  const json = { type: 'echo', payload: {}, callback_url: 'http://127.0.0.1:8099/' }
  const { links } = (await (await posthorn.api('/v1/jobs', { json, headers: { prefer: 'respond-async' } })).json()) as {
    links: { href: string; method: string }[]
  }
  for (const { href, method } of links) {
    const path = new URL(href).pathname.replace(/job_\w+/, '{id}')
    expect([path, Object.keys(document.paths[path] ?? {})]).toEqual([
      path,
      expect.arrayContaining([method.toLowerCase()]),
    ])
  }
})

describe('/docs', () => {
  let response: Response
  let html: string
  beforeAll(async () => {
    response = await posthorn.api('/docs', { key: null })
    html = await response.text()
  })

  test('is a page that may load and run nothing', () => {
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('script-src')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\son\w+=/i)
    expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url)).not.toContainEqual(
      expect.stringMatching(/^(?:[a-z]+:)?\/\//i),
    )
  })

  test('shows every operation and every schema, and its links inside the page lead somewhere', () => {
    const text = html.replaceAll(/<[^>]*>/g, '')
    for (const { path, method, operation } of operations()) {
      expect(text).toContain(`${method} ${path}`)
      expect(text).toContain(operation.summary.replaceAll("'", "'").replaceAll('"', '&quot;'))
    }
    for (const name of Object.keys(document.components.schemas as Node)) expect(html).toContain(`id="schema-${name}"`)
    const ids = new Set([...html.matchAll(/id="([^"]*)"/g)].map(([, id]) => id))
    for (const [, target] of html.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target)
  })
})
