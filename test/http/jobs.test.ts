import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

interface Page {
  data: JobBody[]
  next_cursor: string | null
  links: { href: string; rel: string; method: string }[]
}

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

const list = async (query: string): Promise<Page> => (await (await posthorn.api(`/v1/jobs?${query}`)).json()) as Page
const later = '2099-01-01T00:00:00Z'
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

test('a pending job shows what it waits for, and when to ask again', async () => {
  const id = await posthorn.submit({ type: 'echo', payload: {}, run_at: later, metadata: { order: '42' } })
  const response = await posthorn.api(`/v1/jobs/${id}`)
  expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  const job = await response.json()
  expect(job).not.toHaveProperty('result')
  expect(job).toMatchObject({
    id,
    type: 'echo',
    status: 'pending',
    progress: 0,
    message: null,
    attempt: 0,
    max_attempts: 3,
    priority: 5,
    created_at: time,
    run_at: '2099-01-01T00:00:00.000Z',
    started_at: null,
    finished_at: null,
    callback: null,
    links: expect.arrayContaining([{ href: `${posthorn.url}/v1/jobs/${id}/cancel`, rel: 'cancel', method: 'POST' }]),
    metadata: { order: '42' },
    error: null,
  })
})

test('a completed job shows its result and its metadata, and is not asked for again', async () => {
  const id = await posthorn.submit({ type: 'echo', payload: { a: [1, null, 'é'] }, metadata: { order: '42' } })
  const job = await posthorn.job(id, finished)
  expect(job).toMatchObject({
    status: 'completed',
    progress: 100,
    attempt: 1,
    started_at: time,
    finished_at: time,
    metadata: { order: '42' },
    error: null,
    result: { a: [1, null, 'é'] },
  })
  expect((job.links as { rel: string }[]).map(({ rel }) => rel)).not.toContain('cancel')
  expect((await posthorn.api(`/v1/jobs/${id}`)).headers.has('retry-after')).toBe(false)
})

test('its callback brings the job as it is shown, and the job shows where the callback stands', async () => {
  const callback = { callback_url: `${receiver.url}/shown`, metadata: { order: '43' } }
  const id = await posthorn.submit({ type: 'echo', payload: { b: 2 }, ...callback })
  const [hit] = await receiver.waitFor(1, ({ path }) => path === '/shown')
  const event = JSON.parse(hit?.body ?? '') as { type: string; timestamp: string; data: JobBody }
  expect(event).toMatchObject({ type: 'job.completed', timestamp: time })
  const job = await posthorn.job(id, (one) => (one.callback as { status: string }).status === 'delivered')
  expect(job.callback).toEqual({ status: 'delivered', delivery_id: expect.stringMatching(/^dlv_/) })
  for (const member of ['id', 'type', 'status', 'progress', 'attempt', 'finished_at', 'metadata', 'error', 'result']) {
    expect([member, event.data[member]]).toEqual([member, job[member]])
  }
  expect(event.data).toMatchObject({ id, status: 'completed', result: { b: 2 }, metadata: { order: '43' } })
})

describe('GET …/status', () => {
  test('is 200 while the job is pending, and then leads to the result with 303', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 200 } })
    const pending = await posthorn.api(`/v1/jobs/${id}/status`, { redirect: 'manual' })
    expect(pending.status).toBe(200)
    expect(pending.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(pending.headers.get('cache-control')).toBe('no-store')
    await posthorn.job(id, finished)
    const done = await posthorn.api(`/v1/jobs/${id}/status`, { redirect: 'manual' })
    expect(done.status).toBe(303)
    expect(done.headers.get('location')).toBe(`${posthorn.url}/v1/jobs/${id}/result`)
    // RFC 9110 §10.2.3: on a 3xx it would delay the redirect.
    expect(done.headers.has('retry-after')).toBe(false)
    const followed = await posthorn.api(`/v1/jobs/${id}/status`)
    expect(await followed.json()).toEqual({ delay_ms: 200 })
    const plain = await posthorn.api(`/v1/jobs/${id}/status?redirect=false`, { redirect: 'manual' })
    expect(plain.status).toBe(200)
    expect(await plain.json()).toMatchObject({ id, status: 'completed' })
  })

  test('is 200 when the job was cancelled', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {}, run_at: later })
    await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
    const response = await posthorn.api(`/v1/jobs/${id}/status`, { redirect: 'manual' })
    expect([response.status, await response.json()]).toMatchObject([200, { status: 'cancelled' }])
  })
})

describe('the list', () => {
  test('is paged without gap or duplicate, the newest first, also while jobs are added', async () => {
    const ids: string[] = []
    for (let count = 0; count < 23; count += 1) {
      ids.push(await posthorn.submit({ type: 'http.request', payload: { url: receiver.url }, run_at: later }))
    }
    const seen: string[] = []
    let next: string | undefined = `${posthorn.url}/v1/jobs?type=http.request&limit=5`
    for (let pages = 0; next !== undefined; pages += 1) {
      expect(pages).toBeLessThan(10)
      const { pathname, search }: URL = new URL(next)
      const page = (await (await posthorn.api(pathname + search)).json()) as Page
      expect(page.data.length).toBeLessThanOrEqual(5)
      seen.push(...page.data.map(({ id }) => id))
      next = page.links.find(({ rel }) => rel === 'next')?.href
      expect(next === undefined).toBe(page.next_cursor === null)
      if (page.next_cursor !== null) expect(new URL(next ?? '').searchParams.get('cursor')).toBe(page.next_cursor)
      await posthorn.submit({ type: 'http.request', payload: { url: receiver.url }, run_at: later })
    }
    expect(seen).toEqual(ids.toReversed())
  })

  test('is filtered by status, type and time of creation', async () => {
    const before = await posthorn.job(await posthorn.submit({ type: 'echo', payload: {} }), finished)
    const cancelled = await posthorn.submit({ type: 'echo', payload: {}, run_at: later })
    await posthorn.api(`/v1/jobs/${cancelled}/cancel`, { method: 'POST' })
    const at = encodeURIComponent((await posthorn.job(cancelled)).created_at as string)
    const ids = async (query: string) => (await list(query)).data.map(({ id }) => id)
    expect(await ids(`created_after=${at}&status=cancelled`)).toEqual([cancelled])
    expect(await ids(`created_before=${at}`)).not.toContain(cancelled)
    expect(await ids(`created_before=${at}&status=completed&limit=1`)).toEqual([before.id])
    expect(await ids('type=http.aggregate')).toEqual([])
    for (const { status } of (await list('status=pending&limit=200')).data) expect(status).toBe('pending')
    for (const { type } of (await list('type=echo&limit=200')).data) expect(type).toBe('echo')
    const offset = encodeURIComponent('2099-01-01T00:00:00+02:00')
    expect(await ids(`created_after=${offset}`)).toEqual([])
  })

  test('of an unknown type is empty', async () => {
    expect(await list('type=nope')).toEqual({
      data: [],
      next_cursor: null,
      links: [{ href: `${posthorn.url}/v1/jobs?type=nope`, rel: 'self', method: 'GET' }],
    })
  })
})

describe('DELETE', () => {
  test('erases a finished job for good', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: { secret: 'x' } })
    await posthorn.job(id, finished)
    const response = await posthorn.api(`/v1/jobs/${id}`, { method: 'DELETE' })
    expect([response.status, await response.text()]).toEqual([204, ''])
    await problemIn(await posthorn.api(`/v1/jobs/${id}`), 404, 'not-found')
    await problemIn(await posthorn.api(`/v1/jobs/${id}/result`), 404, 'not-found')
    await problemIn(await posthorn.api(`/v1/jobs/${id}`, { method: 'DELETE' }), 404, 'not-found')
    expect((await list('limit=200')).data.map((job) => job.id)).not.toContain(id)
  })

  test('is refused with 409 while the job is not finished', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {}, run_at: later })
    await problemIn(await posthorn.api(`/v1/jobs/${id}`, { method: 'DELETE' }), 409, 'job-not-finished')
    expect(await posthorn.job(id)).toMatchObject({ status: 'pending' })
  })
})
