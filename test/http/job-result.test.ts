import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { type Receiver, startReceiver, status } from '../support/receiver.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService()
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const resultOf = (id: string) => posthorn.api(`/v1/jobs/${id}/result`)

describe('the result of a job that is', () => {
  test('pending is 404, to be asked for again and never cached', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {}, run_at: '2099-01-01T00:00:00Z' })
    const response = await resultOf(id)
    await problemIn(response, 404, 'result-not-ready')
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('processing is 404 as well', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 60_000 } })
    await posthorn.job(id, ({ status }) => status === 'processing')
    await problemIn(await resultOf(id), 404, 'result-not-ready')
    await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
  })

  test('completed is the result itself', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { text: 'Zoë ☃ 🚀' } })
    await posthorn.job(id, finished)
    const response = await resultOf(id)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(await response.text()).toBe('{"text":"Zoë ☃ 🚀"}')
  })

  test('cancelled is 409', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {}, run_at: '2099-01-01T00:00:00Z' })
    await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
    const response = await resultOf(id)
    await problemIn(response, 409, 'job-cancelled')
    expect(response.headers.has('retry-after')).toBe(false)
  })

  test('failed because of another service is 502 with its problem inside', async () => {
    receiver.answer = (_hit, response) => response.writeHead(404, { 'content-type': 'text/plain' }).end('no such thing')
    const id = await posthorn.submit({ type: 'http.request', payload: { url: receiver.url } })
    const job = await posthorn.job(id, finished)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'upstream_error', status: 502 } })
    const problem = await problemIn(await resultOf(id), 502, 'job-failed-upstream')
    expect(problem.error).toEqual(job.error)
    expect(problem.error).toMatchObject({ data: { status: 404, body: 'no such thing' } })
    expect(job).not.toHaveProperty('result')
  })

  test('failed by its own timeout is 504 with its problem inside', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 60_000 }, timeout_s: 1, max_attempts: 1 })
    const job = await posthorn.job(id, finished)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'timeout', status: 504 } })
    expect((await problemIn(await resultOf(id), 504, 'job-timed-out')).error).toEqual(job.error)
  })
})

describe('a result over 256 KiB', () => {
  const payload = { text: 'é'.repeat(200_000) }

  test('is a file: the job and its callback carry result_url instead', async () => {
    receiver.answer = status(200)
    const id = await posthorn.submit({ type: 'echo', payload, callback_url: `${receiver.url}/large` })
    const [hit] = await receiver.waitFor(1, ({ path }) => path === '/large')
    const { data } = JSON.parse(hit?.body ?? '') as { data: JobBody }
    const job = await posthorn.job(id, finished)
    for (const shown of [data, job]) {
      expect(shown).toMatchObject({ status: 'completed', result_url: `${posthorn.url}/v1/jobs/${id}/result` })
      expect(shown).not.toHaveProperty('result')
    }
    expect(Buffer.byteLength(hit?.body ?? '')).toBeLessThan(10_000)
    const response = await posthorn.api(new URL(job.result_url as string).pathname)
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(Number(response.headers.get('content-length'))).toBe(bytes.length)
    const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
    expect(sha256(bytes)).toBe(sha256(JSON.stringify(payload)))
  })

  test('is erased with its job', async () => {
    const id = await posthorn.submit({ type: 'echo', payload })
    await posthorn.job(id, finished)
    expect((await posthorn.api(`/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(204)
    await problemIn(await resultOf(id), 404, 'not-found')
  })
})

test('a result of exactly 256 KiB is still in the job and in its callback', async () => {
  receiver.answer = status(200)
  const text = 'x'.repeat(256 * 1024 - '{"text":""}'.length)
  const json = { type: 'echo', payload: { text }, callback_url: `${receiver.url}/inline` }
  const job = await posthorn.job(await posthorn.submit(json), finished)
  expect(job.result).toEqual({ text })
  expect(job).not.toHaveProperty('result_url')
  const [hit] = await receiver.waitFor(1, ({ path }) => path === '/inline')
  expect((JSON.parse(hit?.body ?? '') as { data: JobBody }).data.result).toEqual({ text })
})
