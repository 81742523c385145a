import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Receiver, startReceiver, verified } from '../support/receiver.ts'
import { finished, type JobBody, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'

const DOCUMENTS = join(import.meta.dirname, '../examples/documents')
const document = (name: string) => new Uint8Array(readFileSync(join(DOCUMENTS, name)))

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_HANDLERS: 'examples/document-report/index.ts' })
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

interface Result {
  document: { content_type: string; pages: number | null; title: string }
  language: { code: string; name: string }
  statistics: { words: number }
  key_terms: { term: string }[]
  report: { file_id: string; url: string; content_type: string; size: number }
}

async function upload(name: string, contentType: string): Promise<string> {
  const init = { method: 'POST', body: document(name), headers: { 'content-type': contentType } }
  const response = await posthorn.api('/v1/files', init)
  expect(response.status).toBe(201)
  return ((await response.json()) as { id: string }).id
}

async function report(payload: object, more: object = {}): Promise<JobBody> {
  return posthorn.job(await posthorn.submit({ type: 'document.report', payload, ...more }), finished, 15_000)
}

test('a PDF goes in by upload, and comes out as a signed callback with a report to download', async () => {
  const hook = { callback_url: `${receiver.url}/pdf`, callback_events: ['job.progress', 'job.completed'] }
  const job = await report({ file_id: await upload('post-horn.pdf', 'application/pdf') }, hook)
  expect(job).toMatchObject({ status: 'completed', progress: 100, message: 'Report saved' })
  const result = job.result as Result
  expect(result).toMatchObject({ document: { content_type: 'application/pdf', pages: 2 }, language: { code: 'eng' } })
  expect(result.statistics.words).toBeGreaterThan(50)
  expect(result.key_terms.length).toBeGreaterThan(3)

  const file = await posthorn.api(new URL(result.report.url).pathname)
  const html = await file.text()
  expect(file.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(Buffer.byteLength(html)).toBe(result.report.size)
  expect(html).toMatch(/^<!doctype html>/i)
  expect(html).toContain(result.document.title)

  const hits = await receiver.waitFor(2, ({ path }) => path === '/pdf')
  const events = hits.map((hit) => verified(hit, SIGNING_SECRET))
  expect(events.find(({ type }) => type === 'job.completed')?.data.result).toEqual(result)
  expect(events.find(({ type }) => type === 'job.progress')?.data.status).toBe('processing')
})

test.each([
  ['german.txt', 'text/plain; charset=utf-8', 'deu'],
  ['english.txt', 'text/plain', 'eng'],
  ['page.html', 'text/html', 'fra'],
])('%s is read as what it is', async (name, contentType, language) => {
  const job = await report({ file_id: await upload(name, contentType) })
  expect(job).toMatchObject({ status: 'completed', result: { language: { code: language } } })
})

test('a document is fetched from its URL', async () => {
  receiver.answer = ({ path }, response) =>
    path === '/page'
      ? response.writeHead(200, { 'content-type': 'text/html' }).end(document('page.html'))
      : response.end()
  const job = await report({ url: `${receiver.url}/page` })
  expect(job).toMatchObject({ status: 'completed', result: { document: { content_type: 'text/html' } } })
})

test('what cannot be read fails for good, and says why', async () => {
  const job = await report({ file_id: await upload('encrypted.pdf', 'application/pdf') })
  expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'unreadable_document' } })
  const missing = await report({ file_id: 'file_01a1ffc0c0da7000b3a576e7e9b76ae0' })
  expect(missing).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'file_not_found' } })
})

test('what makes no sense is refused at submission', async () => {
  const json = { type: 'document.report', payload: { text: 'a', url: 'https://a.example/' } }
  const response = await posthorn.api('/v1/jobs', { json })
  expect([response.status, await response.json()]).toMatchObject([400, { details: [{ location: 'body' }] }])
})
