import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HandlerContext, PermanentError, problemOf, RetryableError } from 'posthorn/handlers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contextFor, documentBytes, type Run, reportOf, reportOn } from './memory-context.ts'

const problemFrom = (report: Promise<unknown>) =>
  report.then(
    () => expect.unreachable('the run should fail'),
    (error: unknown) => problemOf(error),
  )

describe('a document that cannot be reported on', () => {
  test.each([
    ['an image', 'image/png'],
    ['unnamed bytes', 'application/octet-stream'],
    ['a content type that is none', 'nonsense'],
  ])('is unsupported when it is %s', async (_, contentType) => {
    const problem = await problemFrom(reportOn(new Uint8Array([137, 80, 78, 71]), contentType))
    expect(problem).toMatchObject({ code: 'unsupported_document', status: 422, retryable: false })
  })

  test.each([
    ['an encrypted PDF', () => documentBytes('encrypted.pdf'), 'The PDF is encrypted.'],
    ['a truncated PDF', () => documentBytes('post-horn.pdf').slice(0, 1500), 'The PDF is damaged.'],
    ['no PDF at all', () => Buffer.from('hello'), 'The PDF is damaged.'],
  ])('is unreadable when it is %s', async (_, bytes, detail) => {
    const problem = await problemFrom(reportOn(bytes(), 'application/pdf'))
    expect(problem).toMatchObject({ code: 'unreadable_document', detail, retryable: false })
  })

  test('is unreadable in a charset nobody knows', async () => {
    const problem = await problemFrom(reportOn(Buffer.from('x'), 'text/plain; charset=klingon'))
    expect(problem).toMatchObject({ code: 'unreadable_document', retryable: false })
  })

  test('is unreadable when its HTML nests deeper than the stack', async () => {
    const problem = await problemFrom(reportOn(Buffer.from('<i>'.repeat(20_000)), 'text/html'))
    expect(problem).toMatchObject({ code: 'unreadable_document', retryable: false })
  })

  test.each([
    ['a PDF of drawings', () => documentBytes('drawing-only.pdf'), 'application/pdf'],
    ['a page of scripts', () => Buffer.from('<script>run()</script>'), 'text/html'],
    ['punctuation', () => Buffer.from(' \n… !'), 'text/plain'],
    ['nothing', () => new Uint8Array(), 'text/plain'],
  ])('is empty when it is %s', async (_, bytes, contentType) => {
    const problem = await problemFrom(reportOn(bytes(), contentType))
    expect(problem).toMatchObject({ code: 'empty_document', retryable: false })
  })

  test('is refused unread when it is too large', async () => {
    const run = contextFor({ file_id: 'file_upload' })
    let read = false
    const pull = () => {
      read = true
    }
    const stream = new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 })
    const file = { id: 'file_upload', contentType: 'text/plain', size: 10 * 1024 * 1024 + 1, sha256: '', stream }
    run.context.files.open = async () => file
    expect(await problemFrom(reportOf(run))).toMatchObject({ code: 'document_too_large', retryable: false })
    expect(read).toBe(false)
  })
})

describe('a document at a URL', () => {
  let server: Server
  let origin: string

  beforeAll(async () => {
    server = createServer((request, response) => {
      const status = Number(/^\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200)
      const pdf = request.url === '/post-horn'
      response.writeHead(status, { 'content-type': pdf ? 'application/pdf' : 'text/html; charset=utf-8' })
      response.end(documentBytes(pdf ? 'post-horn.pdf' : 'page.html'))
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((closed) => server.close(closed)))

  const realFetch: HandlerContext<unknown>['fetch'] = (url, options = {}) =>
    fetch(url, { redirect: 'manual', headers: { connection: 'close', ...options.headers } })
  const fetching = (url: string, by = realFetch): Run => contextFor({ url }, undefined, { fetch: by })

  test('is read by the content type of its server', async () => {
    const { document } = await reportOf(fetching(`${origin}/post-horn`))
    expect(document).toMatchObject({ content_type: 'application/pdf', pages: 2, source: `${origin}/post-horn` })
    expect((await reportOf(fetching(`${origin}/`))).language.code).toBe('fra')
  })

  test.each([302, 401, 404, 410])('fails for good when its server answers %i', async (status) => {
    const problem = await problemFrom(reportOf(fetching(`${origin}/status/${status}`)))
    expect(problem).toMatchObject({ code: 'upstream_error', status: 502, retryable: false, data: { status } })
  })

  test.each([408, 429, 500, 503])('is tried again when its server answers %i', async (status) => {
    const problem = await problemFrom(reportOf(fetching(`${origin}/status/${status}`)))
    expect(problem).toMatchObject({ code: 'upstream_error', status: 502, retryable: true, data: { status } })
  })

  test.each([
    ['again', new RetryableError('ECONNREFUSED', { code: 'upstream_unreachable', status: 502 }), true],
    ['never again', new PermanentError('a private address', { code: 'upstream_unreachable', status: 502 }), false],
  ])('is tried %s when the platform says so of a call without an answer', async (_, failure, retryable) => {
    const problem = await problemFrom(reportOf(fetching('https://a.test/', () => Promise.reject(failure))))
    expect(problem).toMatchObject({ code: 'upstream_unreachable', status: 502, retryable })
  })
})
