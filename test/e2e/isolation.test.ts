import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { LATE_MS } from '../support/late.ts'
import { type Hit, type Receiver, startReceiver } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { shiftingClock } from '../support/shifting-clock.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

async function register(posthorn: TestService, body: object): Promise<string> {
  const response = await posthorn.api('/v1/endpoints', { json: body })
  return ((await response.json()) as { id: string }).id
}

const publish = async (posthorn: TestService, type: string, data: unknown) => {
  const response = await posthorn.api('/v1/events', { json: { type, data } })
  expect(response.status).toBe(202)
}

const eventIds = (hits: readonly Hit[]) => new Set(hits.map(({ headers }) => headers['webhook-id']))

/** What is sent arrives within a second; the machine may be late for one of three. @param send The nth; returns all hits */
async function expectAtOnce(send: (n: number) => Promise<readonly Hit[]>): Promise<void> {
  const tookMs: number[] = []
  for (const n of [1, 2, 3]) {
    const sentAt = Date.now()
    tookMs.push(((await send(n)).at(-1)?.at ?? Number.POSITIVE_INFINITY) - sentAt)
  }
  const [, median, slowest] = tookMs.toSorted((a, b) => a - b)
  expect(median).toBeLessThanOrEqual(1000)
  expect(slowest).toBeLessThan(LATE_MS)
}

/** Cuts every connection without an answer. */
function goSilent(receiver: Receiver): void {
  receiver.answer = (_hit, response) => response.destroy()
}

describe('a receiver that hangs', () => {
  test('leaves places to others, however many it was worth while it answered', async () => {
    await using posthorn = await startTestService({
      POSTHORN_DELIVERY_CONCURRENCY: '24',
      POSTHORN_ATTEMPT_TIMEOUT: '8s',
    })
    await using receiver = await startReceiver()
    await register(posthorn, { url: `${receiver.url}/hangs`, event_types: ['many'] })
    await register(posthorn, { url: `${receiver.url}/well`, event_types: ['few'] })
    const publishMany = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, n) => publish(posthorn, 'many', n)))
    await publishMany(150)
    await receiver.waitFor(150)
    receiver.answer = ({ path }, response) => {
      if (path !== '/hangs') response.end()
    }
    await publishMany(40)
    // As many as it may have at once.
    await receiver.waitFor(150 + 6)
    await expectAtOnce(async (n) => {
      await publish(posthorn, 'few', n)
      return await receiver.waitFor(n, ({ path }) => path === '/well')
    })
  })
})

describe('an endpoint that is down', () => {
  const breakerOf = async (posthorn: TestService, id: string) => {
    const endpoint = await (await posthorn.api(`/v1/endpoints/${id}`)).json()
    return (endpoint as { lane: { breaker: string } }).lane.breaker
  }
  const count = async (posthorn: TestService, query: string) => {
    const page = await (await posthorn.api(`/v1/deliveries?limit=200&${query}`)).json()
    return (page as { data: unknown[] }).data.length
  }

  test('is probed only, gets everything when it is back, and its recovery is told once', async () => {
    const clock = shiftingClock()
    const env = { POSTHORN_RETRY_SCHEDULE: Array(60).fill('20s').join() }
    await using posthorn = await startTestService(env, undefined, clock)
    await using down = await startReceiver()
    await using ops = await startReceiver()
    goSilent(down)
    const id = await register(posthorn, { url: down.url, event_types: ['order.*'], max_concurrency: 4 })
    await register(posthorn, { url: ops.url, event_types: ['endpoint.recovered'] })
    for (let n = 0; n < 30; n++) await publish(posthorn, 'order.paid', { n })
    await expect.poll(() => breakerOf(posthorn, id)).toBe('open')
    await expect.poll(() => count(posthorn, 'status=delivering')).toBe(0)
    // Of the lane's first attempts some may have been under way when it opened.
    expect(down.hits.length).toBeLessThanOrEqual(5 + 3)
    for (const seconds of [31, 61, 121]) {
      const before = down.hits.length
      clock.shift(seconds * 1000)
      await down.waitFor(before + 1)
      // Several looks for what is due.
      await delay(1200)
      expect(down.hits.length).toBe(before + 1)
    }
    let inFlight = 0
    let most = 0
    down.answer = (_hit, response) => {
      inFlight += 1
      most = Math.max(most, inFlight)
      setTimeout(() => {
        inFlight -= 1
        response.end('ok')
      }, 5)
    }
    clock.shift(241_000)
    await expect.poll(() => count(posthorn, 'status=delivered&event_type=order.paid'), { timeout: 15_000 }).toBe(30)
    expect(most).toBeLessThanOrEqual(4)
    expect(eventIds(down.hits).size).toBe(30)
    const [told] = await ops.waitFor(1)
    expect(JSON.parse(told?.body ?? '{}')).toMatchObject({ type: 'endpoint.recovered', data: { endpoint_id: id } })
    await delay(1200)
    expect(ops.hits).toHaveLength(1)
  })

  test('gives up what nobody could be sent to until its time was over', async () => {
    const clock = shiftingClock()
    const env = { POSTHORN_RETRY_SCHEDULE: Array(40).fill('1m').join() }
    await using posthorn = await startTestService(env, undefined, clock)
    await using down = await startReceiver()
    goSilent(down)
    const id = await register(posthorn, { url: down.url })
    for (let n = 0; n < 20; n++) await publish(posthorn, 'order.paid', { n })
    await expect.poll(() => breakerOf(posthorn, id)).toBe('open')
    clock.shift(26 * 3_600_000)
    await expect.poll(() => count(posthorn, 'reason=expired'), { timeout: 15_000 }).toBeGreaterThan(10)
    await expect.poll(() => count(posthorn, 'status=pending'), { timeout: 15_000 }).toBe(0)
  })
})

describe('a tenant with all the work', () => {
  test('does not keep another one’s job and callback from going at once', async () => {
    const folder = await folderWithOtherTenant()
    await using posthorn = await startTestService({ POSTHORN_JOB_CONCURRENCY: '16' }, folder)
    await using receiver = await startReceiver()
    const slow = Array.from({ length: 200 }, () => ({ type: 'echo', payload: { delay_ms: 20_000 } }))
    expect((await posthorn.api('/v1/jobs/batch', { json: { jobs: slow } })).status).toBe(200)
    const running = async () =>
      ((await (await posthorn.api('/v1/jobs?status=processing')).json()) as { data: unknown[] }).data.length
    await expect.poll(running).toBe(14)
    const json = { type: 'echo', payload: {}, callback_url: receiver.url }
    await expectAtOnce(async (n) => {
      expect((await posthorn.api('/v1/jobs', { json, key: OTHER_KEY })).status).toBe(202)
      return await receiver.waitFor(n)
    })
    const jobs = (await (await posthorn.api('/v1/jobs?limit=200')).json()) as { data: { id: string }[] }
    await Promise.all(jobs.data.map(({ id }) => posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })))
  })
})
