import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { rawRequest } from '../support/raw-request.ts'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())
afterEach(async () => {
  expect(await (await posthorn.api('/v1/jobs')).json()).toMatchObject({ data: [] })
})

const MIB = 1024 * 1024
const JSON_HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }

function send(body: string | Uint8Array<ArrayBuffer>, contentType = 'application/json'): Promise<Response> {
  return posthorn.api('/v1/jobs', { method: 'POST', body, headers: { 'content-type': contentType } })
}

describe('a body that is not JSON in UTF-8 is refused with 400:', () => {
  const utf8 = (text: string) => new Uint8Array(Buffer.from(text, 'utf8'))
  test.each<[string, Uint8Array<ArrayBuffer>]>([
    ['nothing', utf8('')],
    ['half a document', utf8('{"type":"echo"')],
    ['a trailing comma', utf8('{"type":"echo",}')],
    ['single quotes', utf8("{'type':'echo'}")],
    ['NaN', utf8('{"type":"echo","payload":{"x":NaN}}')],
    ['two documents', utf8('{"type":"echo","payload":{}}{"type":"echo","payload":{}}')],
    ['a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, ...utf8('{"type":"echo","payload":{}}')])],
    ['invalid UTF-8', new Uint8Array([...utf8('{"type":"echo","payload":{"x":"'), 0xff, ...utf8('"}}')])],
    ['an overlong encoding', new Uint8Array([...utf8('{"type":"echo","payload":{"x":"'), 0xc0, 0xaf, ...utf8('"}}')])],
    ['UTF-16', new Uint8Array(Buffer.from('{"type":"echo","payload":{}}', 'utf16le'))],
  ])('%s', async (_name, body) => {
    await problemIn(await send(body), 400, 'malformed-request')
  })
})

describe('a body of another content type is refused with 415:', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonp',
    'text/json',
    'application/json-seq',
  ])('%s', async (type) => {
    const response = await send('{"type":"echo","payload":{}}', type)
    const { detail } = await problemIn(response, 415, 'unsupported-media-type')
    expect(detail).toContain('application/json')
  })

  test('none', async () => {
    const body = new Uint8Array(Buffer.from('{"type":"echo","payload":{}}'))
    const response = await posthorn.api('/v1/jobs', { method: 'POST', body })
    await problemIn(response, 415, 'unsupported-media-type')
  })
})

describe('a body over 1 MiB is refused with 413', () => {
  test('by its Content-Length, before it is sent', async () => {
    const headers = { ...JSON_HEADERS, 'content-length': MIB + 1 }
    const answer = await rawRequest(`${posthorn.url}/v1/jobs`, { method: 'POST', headers }, (request) =>
      request.flushHeaders(),
    )
    expect(answer.status).toBe(413)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'payload-too-large', status: 413 })
  })

  test('by counting, when it comes in chunks', async () => {
    const answer = await rawRequest(`${posthorn.url}/v1/jobs`, { method: 'POST', headers: JSON_HEADERS }, (request) => {
      request.write('{"type":"echo","payload":{"text":"')
      for (let sent = 0; sent < 20; sent += 1) request.write('x'.repeat(64 * 1024))
    })
    expect(answer.status).toBe(413)
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'payload-too-large', status: 413 })
  })

  test('by a single byte', async () => {
    const frame = '{"type":"echo","payload":{"text":""}}'
    const body = frame.replace('""', `"${'x'.repeat(MIB + 1 - frame.length)}"`)
    expect(body).toHaveLength(MIB + 1)
    await problemIn(await send(body), 413, 'payload-too-large')
  })
})

describe('a body of more than 64 levels is refused with 422:', () => {
  test.each([65, 10_000, 400_000])('%i levels', async (levels) => {
    const inside = levels - 2
    const body = `{"type":"echo","payload":{"x":${'['.repeat(inside)}${']'.repeat(inside)}}}`
    await problemIn(await send(body), 422, 'unprocessable-body')
  })
})
