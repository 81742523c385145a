import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { rawRequest } from '../support/raw-request.ts'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'

interface FileBody {
  id: string
  size: number
  sha256: string
  content_type: string
  links: { href: string; rel: string; method: string }[]
}

let posthorn: TestService
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

async function upload(bytes: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<FileBody> {
  const response = await posthorn.api('/v1/files', { method: 'POST', body: bytes, headers })
  expect(response.status).toBe(201)
  const file = (await response.json()) as FileBody
  expect(response.headers.get('location')).toBe(`${posthorn.url}/v1/files/${file.id}`)
  return file
}

async function download(id: string, headers: Record<string, string> = {}): Promise<[Response, Buffer]> {
  const response = await posthorn.api(`/v1/files/${id}`, { headers })
  return [response, Buffer.from(await response.arrayBuffer())]
}

test('a file comes back byte for byte, with its size, hash and type', async () => {
  const bytes = new Uint8Array(randomBytes(300_001))
  const file = await upload(bytes, { 'content-type': 'image/png' })
  expect(file).toEqual({
    id: expect.stringMatching(/^file_\w{32}$/),
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    content_type: 'image/png',
    links: [{ href: `${posthorn.url}/v1/files/${file.id}`, rel: 'self', method: 'GET' }],
  })
  const [response, body] = await download(file.id)
  expect(response.status).toBe(200)
  expect(body.equals(bytes)).toBe(true)
  expect(response.headers.get('content-length')).toBe('300001')
  expect(response.headers.get('etag')).toBe(`"${file.sha256}"`)
  expect(response.headers.get('accept-ranges')).toBe('bytes')
})

test('what strangers uploaded is never run as a page', async () => {
  const { id } = await upload(new Uint8Array(Buffer.from('<script>alert(1)</script>')), { 'content-type': 'text/html' })
  const [response] = await download(id)
  expect(response.headers.get('content-type')).toBe('text/html')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('content-disposition')).toMatch(/^attachment\b/)
  expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/)
})

test('an empty file is a file', async () => {
  const file = await upload(new Uint8Array())
  expect(file).toMatchObject({ size: 0, sha256: createHash('sha256').digest('hex') })
  const [response, body] = await download(file.id)
  expect([response.status, body.length]).toEqual([200, 0])
  const [outside] = await download(file.id, { range: 'bytes=0-0' })
  expect(outside.status).toBe(416)
})

describe('its type', () => {
  test.each(['text/plain; charset=utf-8', 'application/vnd.acme+xml', 'multipart/mixed; boundary="a b"'])(
    'is kept: %s',
    async (type) => {
      const file = await upload(new Uint8Array(4), { 'content-type': type })
      expect(file.content_type).toBe(type)
      expect((await download(file.id))[0].headers.get('content-type')).toBe(type)
    },
  )

  test('is application/octet-stream when nothing is said', async () => {
    expect(await upload(new Uint8Array(4))).toMatchObject({ content_type: 'application/octet-stream' })
  })

  test.each(['text', 'text/', '/plain', 'text/plain, text/html', 'text/pl\u00e4in', `text/${'x'.repeat(300)}`])(
    'is refused with 415 when it is none: %s',
    async (type) => {
      const init = { method: 'POST', body: new Uint8Array(4), headers: { 'content-type': type } }
      await problemIn(await posthorn.api('/v1/files', init), 415, 'unsupported-media-type')
    },
  )
})

describe('of a range', () => {
  let id: string
  beforeAll(async () => {
    id = (await upload(new Uint8Array(Buffer.from('0123456789')))).id
  })

  test.each([
    ['bytes=0-0', '0', '0-0'],
    ['bytes=2-5', '2345', '2-5'],
    ['bytes=7-', '789', '7-9'],
    ['bytes=9-9', '9', '9-9'],
    ['bytes=5-999999', '56789', '5-9'],
    ['bytes=-3', '789', '7-9'],
    ['bytes=-99', '0123456789', '0-9'],
  ])('%s the part is sent with 206', async (range, text, sent) => {
    const [response, body] = await download(id, { range })
    expect([response.status, body.toString()]).toEqual([206, text])
    expect(response.headers.get('content-range')).toBe(`bytes ${sent}/10`)
    expect(response.headers.get('content-length')).toBe(String(text.length))
  })

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=999-', 'bytes=-0'])('%s nothing is there: 416', async (range) => {
    const response = await posthorn.api(`/v1/files/${id}`, { headers: { range } })
    await problemIn(response, 416, 'range-not-satisfiable')
    expect(response.headers.get('content-range')).toBe('bytes */10')
  })

  test.each([
    'bytes=',
    'bytes=-',
    'bytes=5-2',
    'bytes=a-b',
    'bytes=1-2,4-5',
    'lines=1-2',
    'bytes=1.5-2',
    '1-2',
    'bytes=--1',
  ])('%s the whole is sent, as it cannot be read', async (range) => {
    const [response, body] = await download(id, { range })
    expect([response.status, body.toString()]).toEqual([200, '0123456789'])
    expect(response.headers.has('content-range')).toBe(false)
  })
})

describe('an upload', () => {
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/pdf' }

  test('in chunks is taken', async () => {
    const chunk = randomBytes(50_000)
    const answer = await rawRequest(`${posthorn.url}/v1/files`, { method: 'POST', headers }, (request) => {
      for (let sent = 0; sent < 30; sent += 1) request.write(chunk)
      request.end()
    })
    expect(answer.status).toBe(201)
    const file = JSON.parse(answer.body) as FileBody
    expect(file).toMatchObject({ size: 1_500_000, content_type: 'application/pdf' })
    const [, body] = await download(file.id)
    expect(createHash('sha256').update(body).digest('hex')).toBe(file.sha256)
  })

  test('over 100 MiB is refused with 413 before it is sent', async () => {
    const length = { 'content-length': 100 * 1024 * 1024 + 1 }
    const options = { method: 'POST', headers: { ...headers, ...length } }
    const answer = await rawRequest(`${posthorn.url}/v1/files`, options, (request) => request.flushHeaders())
    expect(answer.status).toBe(413)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'payload-too-large' })
  })

  test('that breaks off leaves the service well', async () => {
    const options = { method: 'POST', headers: { ...headers, 'content-length': 1000 } }
    const broken = rawRequest(`${posthorn.url}/v1/files`, options, (request) => {
      request.write('half', () => request.destroy())
    })
    await expect(broken).rejects.toThrow()
    expect(await upload(new Uint8Array(4))).toMatchObject({ size: 4 })
  })

  test('with an idempotency key is one file, however often it is sent', async () => {
    const key = { 'idempotency-key': 'one-file' }
    const first = await upload(new Uint8Array(4), key)
    expect((await upload(new Uint8Array(4), key)).id).toBe(first.id)
    const json = { type: 'echo', payload: {} }
    await problemIn(await posthorn.api('/v1/jobs', { json, headers: key }), 422, 'idempotency-key-reused')
  })
})

test('an unknown file is 404', async () => {
  for (const id of ['file_01a1ffc0c0da7000b3a576e7e9b76ae0', 'file_1', '..%2f..%2fposthorn.db', '%00']) {
    await problemIn(await posthorn.api(`/v1/files/${id}`), 404, 'not-found')
  }
})
