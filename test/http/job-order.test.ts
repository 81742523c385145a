import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_JOB_CONCURRENCY: '2' })
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const call = (path: string, more: object = {}) =>
  posthorn.submit({ type: 'http.request', payload: { url: `${receiver.url}/${path}` }, ...more })

test('ready jobs run by priority, those of the same priority in the order of arrival', async () => {
  await using one = await startTestService({ POSTHORN_JOB_CONCURRENCY: '1' })
  const first = await one.submit({ type: 'echo', payload: { delay_ms: 400 } })
  await one.job(first, ({ status }) => status === 'processing')
  for (const [path, priority] of [
    ['d', 9],
    ['b', 5],
    ['a', 0],
    ['c', 5],
  ] as const) {
    await one.submit({ type: 'http.request', payload: { url: `${receiver.url}/order/${path}` }, priority })
  }
  const hits = await receiver.waitFor(4, ({ path }) => path.startsWith('/order/'))
  expect(hits.map(({ path }) => path)).toEqual(['/order/a', '/order/b', '/order/c', '/order/d'])
})

test('a backlog is worked off as places become free, not by the second', async () => {
  const begin = Date.now()
  const ids = await Promise.all(
    Array.from({ length: 20 }, () => posthorn.submit({ type: 'echo', payload: { delay_ms: 20 } })),
  )
  for (const id of ids) await posthorn.job(id, finished)
  // By the second it would be 10 s.
  expect(Date.now() - begin).toBeLessThan(8000)
})

test('also when it is their type that has no more places', async () => {
  await using roomy = await startTestService()
  // They become ready together, so that no later submission wakes the workers. 32 of a type run at once.
  const runAt = Date.now() + 2500
  const json = { type: 'echo', payload: { delay_ms: 50 }, run_at: new Date(runAt).toISOString() }
  const ids = await Promise.all(Array.from({ length: 400 }, () => roomy.submit(json)))
  for (const id of ids) await roomy.job(id, finished)
  expect(Date.now()).toBeGreaterThan(runAt)
  // By the second it would be 12 s at least.
  expect(Date.now() - runAt).toBeLessThan(10_000)
})

test('no more jobs run at once than there are places', async () => {
  let running = 0
  let most = 0
  receiver.answer = (_hit, response) => {
    running += 1
    most = Math.max(most, running)
    setTimeout(() => {
      running -= 1
      response.end('ok')
    }, 30)
  }
  const ids = await Promise.all(Array.from({ length: 8 }, () => call('places')))
  for (const id of ids) await posthorn.job(id, finished)
  expect(most).toBe(2)
})
