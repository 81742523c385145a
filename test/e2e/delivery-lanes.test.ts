import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { deliveryOf } from '../support/deliveries.ts'
import { LATE_MS } from '../support/late.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
const receivers: Receiver[] = []
beforeAll(async () => {
  posthorn = await startTestService({
    POSTHORN_RETRY_SCHEDULE: '50ms,50ms,50ms,50ms',
    POSTHORN_ATTEMPT_TIMEOUT: '8s',
    POSTHORN_GRACE: '9s',
  })
})
afterEach(async () => {
  for (const receiver of receivers.splice(0)) await receiver[Symbol.asyncDispose]()
})
afterAll(() => posthorn[Symbol.asyncDispose]())

async function receiverOf(answer: Receiver['answer']): Promise<Receiver> {
  const receiver = await startReceiver()
  receivers.push(receiver)
  receiver.answer = answer
  return receiver
}

const submit = (callbackUrl: string) => posthorn.submit({ type: 'echo', payload: {}, callback_url: callbackUrl })

test('Retry-After is waited for, and the lane waits with it', async () => {
  const receiver = await receiverOf((_hit, response, count) => {
    response.writeHead(count === 0 ? 429 : 200, count === 0 ? { 'retry-after': '1' } : {}).end()
  })
  const first = await submit(`${receiver.url}/first`)
  const [refused] = await receiver.waitFor(1)
  await deliveryOf(posthorn, first, ({ attempts }) => attempts.length === 1)
  const second = await submit(`${receiver.url}/second`)
  const hits = await receiver.waitFor(3)
  for (const hit of hits.slice(1)) {
    expect(hit.at - (refused?.at ?? 0)).toBeGreaterThanOrEqual(1000)
    expect(hit.at - (refused?.at ?? 0)).toBeLessThan(1000 + LATE_MS)
  }
  expect(await deliveryOf(posthorn, first)).toMatchObject({ status: 'delivered', attempt_count: 2 })
  expect(await deliveryOf(posthorn, second)).toMatchObject({ status: 'delivered', attempt_count: 1 })
})

test('a Retry-After that is shorter than the schedule changes nothing, and one that says nothing neither', async () => {
  const receiver = await receiverOf((_hit, response, count) => {
    response.writeHead(count < 2 ? 503 : 200, { 'retry-after': count === 0 ? '0' : 'soon' }).end()
  })
  const begin = Date.now()
  expect(await deliveryOf(posthorn, await submit(receiver.url))).toMatchObject({
    status: 'delivered',
    attempt_count: 3,
  })
  expect(Date.now() - begin).toBeLessThan(LATE_MS)
})

test('a receiver that never answers delays nobody else', async () => {
  const hanging = await receiverOf(() => {})
  const healthy = await receiverOf((_hit, response) => response.end())
  const stuck = await Promise.all(Array.from({ length: 40 }, (_, index) => submit(`${hanging.url}/${index}`)))
  await hanging.waitFor(4)
  const begin = Date.now()
  await Promise.all(Array.from({ length: 20 }, (_, index) => submit(`${healthy.url}/${index}`)))
  await healthy.waitFor(20, undefined, 5000)
  expect(Date.now() - begin).toBeLessThan(5000)
  const { status } = await deliveryOf(posthorn, stuck[0] as string, () => true)
  expect(['delivering', 'pending']).toContain(status)
  // A lane begins with four at once, and nothing has succeeded here.
  expect(hanging.hits).toHaveLength(4)
})

test('a lane grows with its successes, to 64 at once and no further; each of 300 arrives once', {
  timeout: 60_000,
}, async () => {
  let inFlight = 0
  let most = 0
  const slow = await receiverOf((_hit, response) => {
    inFlight += 1
    most = Math.max(most, inFlight)
    setTimeout(() => {
      inFlight -= 1
      response.end()
    }, 250)
  })
  const urls = Array.from({ length: 300 }, (_, index) => `${slow.url}/${index}`)
  for (let sent = 0; sent < urls.length; sent += 50) await Promise.all(urls.slice(sent, sent + 50).map(submit))
  await slow.waitFor(300, undefined, 40_000)
  expect(most).toBeLessThanOrEqual(64)
  expect(most).toBeGreaterThan(16)
  const ids = slow.hits.map(({ headers }) => headers['webhook-id'])
  expect(new Set(ids).size).toBe(300)
  expect(new Set(slow.hits.map(({ path }) => path)).size).toBe(300)
})
