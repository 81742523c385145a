import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Receiver, startReceiver, status, verified } from '../support/receiver.ts'
import { finished, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'

let receiver: Receiver
let posthorn: TestService

beforeAll(async () => {
  receiver = await startReceiver()
  posthorn = await startTestService({ POSTHORN_RESULT_TTL: '1s', POSTHORN_RETRY_SCHEDULE: '1s,1s,1s' })
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const code = async (path: string) => (await posthorn.api(path)).status

test('a result is there until its time is up, says until when, and is 410 then', async () => {
  const id = await posthorn.submit({ type: 'echo', payload: { n: 1 } })
  const job = await posthorn.job(id, finished)
  expect(Date.parse(String(job.expires_at)) - Date.parse(String(job.finished_at))).toBe(1000)
  const result = await posthorn.api(`/v1/jobs/${id}/result`)
  // RFC 8594: an HTTP date, so to the second.
  expect(Date.parse(result.headers.get('sunset') ?? '')).toBe(
    Math.floor(Date.parse(String(job.expires_at)) / 1000) * 1000,
  )
  await posthorn.job(id, ({ code: problem }) => problem === 'expired')
  for (const path of ['', '/status', '/result', '/events']) expect(await code(`/v1/jobs/${id}${path}`)).toBe(410)
  expect(await code(`/v1/queue/requests/${id}`)).toBe(404)
})

test('a result is kept until its callback is settled, however long that takes', async () => {
  receiver.answer = status(500)
  const id = await posthorn.submit({ type: 'echo', payload: {}, callback_url: `${receiver.url}/late` })
  // Three failed attempts and their waits outlast the time to live.
  await receiver.waitFor(3, ({ path }) => path === '/late')
  expect(await posthorn.job(id)).toMatchObject({ status: 'completed', expires_at: null, result: {} })
  receiver.answer = status(204)
  await receiver.waitFor(4, ({ path }) => path === '/late')
  const settled = await posthorn.job(id, ({ expires_at }) => expires_at !== null)
  expect(Date.parse(String(settled.expires_at))).toBeGreaterThan(Date.parse(String(settled.finished_at)) + 2000)
})

test('who asks for it is told that a result is about to go, and that it went', async () => {
  receiver.answer = status(204)
  await posthorn.submit({
    type: 'echo',
    payload: {},
    callback_url: `${receiver.url}/told`,
    callback_events: ['job.completed', 'job.expiring', 'job.expired'],
  })
  const hits = await receiver.waitFor(3, ({ path }) => path === '/told')
  const events = hits.map((hit) => verified(hit, SIGNING_SECRET))
  expect(events.map(({ type }) => type)).toEqual(['job.completed', 'job.expiring', 'job.expired'])
  expect(events.map(({ data }) => 'result' in data)).toEqual([true, true, false])
})
