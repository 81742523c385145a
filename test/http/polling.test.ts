import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LATE_MS } from '../support/late.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'
import { writeHandlerModule } from '../support/stepper.ts'

let posthorn: TestService
let receiver: Receiver
const held: ServerResponse[] = []
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_HANDLERS: await writeHandlerModule(), POSTHORN_RETRY_SCHEDULE: '50ms' })
  receiver = await startReceiver()
  receiver.answer = (_hit, response) => held.push(response)
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const LATER = { type: 'echo', run_at: '2099-01-01T00:00:00Z' }
const FOUR = ['/v1/jobs/ID', '/v1/jobs/ID/status', '/v1/queue/requests/ID', '/v1/jobs/ID/result']
const read = (path: string, headers: Record<string, string> = {}) => posthorn.api(path, { headers, redirect: 'manual' })

describe('If-None-Match', () => {
  let path: string
  let etag: string
  beforeAll(async () => {
    path = `/v1/jobs/${await posthorn.submit(LATER)}`
    etag = (await read(path)).headers.get('etag') as string
  })

  test('has a strong ETag to go by', () => expect(etag).toMatch(/^"[\x21\x23-\x7e]+"$/))

  test.each(['ETAG', 'W/ETAG', '"x", ETAG', '"x",W/ETAG,"y"', ' ETAG ', ', ETAG ,', '"a,b", ETAG', '*'])(
    '%s is answered with 304 and no body',
    async (pattern) => {
      const whole = await read(path)
      const response = await read(path, { 'if-none-match': pattern.replace('ETAG', etag) })
      expect([response.status, await response.text()]).toEqual([304, ''])
      for (const name of ['etag', 'cache-control', 'vary']) {
        expect([name, response.headers.get(name)]).toEqual([name, whole.headers.get(name)])
      }
    },
  )

  test.each([
    '"x"',
    'BARE',
    '"BARE',
    'BARE"',
    'W/BARE',
    'w/',
    '',
    '"',
    '**',
    "'BARE'",
    '"x ETAG',
    'xETAG',
    '"a"ETAG"b"',
  ])('%s is answered with the job', async (pattern) => {
    const header = pattern.replace('ETAG', etag).replace('BARE', etag.slice(1, -1))
    const response = await read(path, { 'if-none-match': header })
    expect([response.status, await response.json()]).toMatchObject([200, { status: 'pending' }])
  })

  test('changes nothing where there is no 304', async () => {
    const id = await posthorn.submit({ type: 'echo' })
    await posthorn.job(id, finished)
    const statuses = FOUR.map(async (url) => (await read(url.replace('ID', id), { 'if-none-match': '*' })).status)
    expect(await Promise.all(statuses)).toEqual([304, 303, 200, 200])
    expect((await read(`/v1/jobs/job_${'0'.repeat(32)}`, { 'if-none-match': '*' })).status).toBe(404)
  })
})

test('the ETag changes with every change that is seen, and with nothing else', async () => {
  const json = { type: 'test.stepper', payload: { steps: [10, 60] }, callback_url: receiver.url }
  const run_at = new Date(Date.now() + 300).toISOString()
  const id = await posthorn.submit({ ...json, run_at })
  const seen = new Map<string, string>()
  const look = async (): Promise<JobBody> => {
    const response = await read(`/v1/jobs/${id}`)
    const job = (await response.json()) as JobBody
    const { estimated_completion: _, ...lasting } = job
    const etag = String(response.headers.get('etag'))
    const body = JSON.stringify(lasting)
    expect([etag, seen.get(etag) ?? body]).toEqual([etag, body])
    seen.set(etag, body)
    return job
  }
  const callback = ({ callback: is }: JobBody) => (is as { status: string } | null)?.status
  // The callback fails twice and is dead, then it is replayed and arrives.
  await expect.poll(async () => callback(await look()), { timeout: 8000, interval: 10 }).toBe('delivering')
  for (const count of [1, 2]) {
    await expect.poll(async () => (await look()) && held.length, { interval: 10, timeout: 5000 }).toBe(count)
    held.at(-1)?.writeHead(500).end()
  }
  await expect.poll(async () => callback(await look()), { timeout: 5000, interval: 10 }).toBe('dead')
  const { callback: dead } = (await look()) as JobBody & { callback: { delivery_id: string } }
  await posthorn.api(`/v1/deliveries/${dead.delivery_id}/replay`, { method: 'POST' })
  await expect.poll(async () => (await look()) && held.length, { interval: 10, timeout: 5000 }).toBe(3)
  held.at(-1)?.end()
  await expect.poll(async () => callback(await look()), { timeout: 5000, interval: 10 }).toBe('delivered')
  // Each body came with one ETag only, too.
  expect(new Set(seen.values()).size).toBe(seen.size)
  const states = [...seen.values()].map((text) => JSON.parse(text) as JobBody & { progress: number })
  const expected = ['pending 0', 'processing 10', 'processing 60', 'completed 100']
  expect(states.map(({ status, progress }) => `${status} ${progress}`)).toEqual(expect.arrayContaining(expected))
  expect(new Set(states.map(callback))).toEqual(new Set([undefined, 'pending', 'delivering', 'dead', 'delivered']))
})

describe('Prefer: wait', () => {
  test.each(FOUR)('answers when the job is finished: %s', async (url) => {
    const known = held.length
    const id = await posthorn.submit({ type: 'http.request', payload: { url: receiver.url }, max_attempts: 1 })
    const answer = read(url.replace('ID', id), { prefer: 'wait=15' })
    await expect.poll(() => held.length).toBe(known + 1)
    held.at(-1)?.end('done')
    const from = performance.now()
    const response = await answer
    expect(performance.now() - from).toBeLessThan(LATE_MS)
    expect(response.status).toBe(url.endsWith('status') ? 303 : 200)
    expect(await response.text()).toContain('done')
  })

  test('answers as ever when it is not, after the time that was asked', async () => {
    const id = await posthorn.submit(LATER)
    const etag = String((await read(`/v1/jobs/${id}`)).headers.get('etag'))
    const from = performance.now()
    const headers = { prefer: 'foo, Wait="1"', 'if-none-match': etag }
    const answers = await Promise.all(FOUR.map((url) => read(url.replace('ID', id), headers)))
    expect(answers.map(({ status }) => status)).toEqual([304, 200, 200, 404])
    expect(performance.now() - from).toBeGreaterThan(990)
    expect(performance.now() - from).toBeLessThan(1000 + LATE_MS)
  })

  test('does not wait for what will not come', async () => {
    const done = await posthorn.submit({ type: 'echo' })
    await posthorn.job(done, finished)
    const from = performance.now()
    for (const id of [done, `job_${'0'.repeat(32)}`]) {
      await Promise.all(FOUR.map((url) => read(url.replace('ID', id), { prefer: 'wait=15' })))
    }
    await Promise.all(
      ['wait=-1', 'wait=x', 'wait', 'respond-async'].map((prefer) => read('/v1/jobs/job_1', { prefer })),
    )
    expect(performance.now() - from).toBeLessThan(LATE_MS)
  })
})
