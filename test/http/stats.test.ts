import { describe, expect, test } from 'vitest'
import { problemIn } from '../support/problem.ts'
import { type Answer, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, type Environment, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

interface Counts {
  delivered: number
  failed: number
  dead: number
}
interface Stats {
  scope: { kind: string; id: string | null }
  from: string
  to: string
  deliveries_per_minute: ({ minute: string } & Counts)[]
  totals: Counts
  success_rate: number | null
  latency_ms: Record<'p50' | 'p90' | 'p95' | 'p99', number | null>
  queue: Record<string, number | string | null>
  lane?: Record<string, number | string | null>
}

const NONE = { delivered: 0, failed: 0, dead: 0 }
const TIMEOUT_MS = 300

async function read(posthorn: TestService, path: string, key = API_KEY): Promise<Stats> {
  const response = await posthorn.api(path, { key })
  expect(response.status).toBe(200)
  return (await response.json()) as Stats
}

const ofAdmin = (posthorn: TestService, query = '') => read(posthorn, `/v1/admin/stats${query}`, ADMIN_KEY)

/** An endpoint for the events of one type. */
async function register(posthorn: TestService, url: string, type: string, key: string, more: object = {}) {
  const response = await posthorn.api('/v1/endpoints', { key, json: { url, event_types: [type], ...more } })
  expect(response.status).toBe(201)
  return ((await response.json()) as { id: string }).id
}

async function publish(posthorn: TestService, type: string, count: number, key = API_KEY): Promise<void> {
  for (let n = 0; n < count; n++) {
    expect((await posthorn.api('/v1/events', { key, json: { type, data: n } })).status).toBe(202)
  }
}

/** Waits until so many deliveries of the key's tenant have ended. */
async function ended(posthorn: TestService, count: number, key = API_KEY): Promise<void> {
  const list = async (status: string) => {
    const response = await posthorn.api(`/v1/deliveries?limit=200&status=${status}`, { key })
    return ((await response.json()) as { data: object[] }).data.length
  }
  await expect.poll(async () => (await list('delivered')) + (await list('dead')), { timeout: 15_000 }).toBe(count)
}

const byPath: Answer = ({ path }, response) => {
  if (path === '/hangs') return
  response.writeHead(path === '/fails' ? 500 : 200).end()
}

test('attempts are counted as their receiver counted them, and each tenant sees its own', async () => {
  await using receiver = await startReceiver()
  receiver.answer = byPath
  const folder = await folderWithOtherTenant()
  const env: Environment = { POSTHORN_ATTEMPT_TIMEOUT: `${TIMEOUT_MS}ms` }
  const before = await startTestService(env, folder)
  const own = (path: string, more = {}) => register(before, receiver.url + path, path.slice(1), API_KEY, more)
  const works = await own('/works')
  const fails = await own('/fails', { retry_schedule: [0.02, 0.02] })
  const hangs = await own('/hangs', { retry_schedule: [0.02] })
  const others = await register(before, `${receiver.url}/others`, 'other', OTHER_KEY)
  await publish(before, 'works', 20)
  await publish(before, 'fails', 3)
  await publish(before, 'hangs', 2)
  await publish(before, 'other', 4, OTHER_KEY)
  await ended(before, 25)
  await ended(before, 4, OTHER_KEY)
  // At its end a process stores what it has counted.
  await before[Symbol.asyncDispose]()
  await using posthorn = await startTestService(env, folder)
  const hits = (path: string) => receiver.hits.filter((hit) => hit.path === path).length
  const ofEndpoint = (id: string, key = API_KEY) => read(posthorn, `/v1/endpoints/${id}/stats`, key)

  const good = await ofEndpoint(works)
  expect(good).toMatchObject({ scope: { kind: 'endpoint', id: works }, success_rate: 1 })
  expect(good.totals).toEqual({ ...NONE, delivered: hits('/works') })
  expect((await ofEndpoint(fails)).totals).toEqual({ delivered: 0, failed: 6, dead: 3 })
  expect(hits('/fails')).toBe(9)
  const slow = await ofEndpoint(hangs)
  expect(slow).toMatchObject({ totals: { delivered: 0, failed: 2, dead: 2 }, success_rate: 0 })
  expect(hits('/hangs')).toBe(4)
  expect(slow.latency_ms.p50).toBeGreaterThan(TIMEOUT_MS / 1.36)
  expect(slow.latency_ms.p50).toBeLessThan(3 * TIMEOUT_MS)

  await problemIn(await posthorn.api(`/v1/endpoints/${works}/stats`, { key: OTHER_KEY }), 404, 'not-found')
  expect((await ofEndpoint(others, OTHER_KEY)).totals).toEqual({ ...NONE, delivered: 4 })

  const all = await ofAdmin(posthorn)
  expect(all).toMatchObject({ scope: { kind: 'platform', id: null } })
  expect(all.totals).toEqual({ delivered: 24, failed: 8, dead: 5 })
  expect(all.success_rate).toBeCloseTo(24 / 37)
  expect(receiver.hits).toHaveLength(37)
  const minutes = all.deliveries_per_minute
  expect([minutes.length, minutes[0]?.minute]).toEqual([60, all.from])
  expect(minutes.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(24)
  const letters = await posthorn.api('/v1/admin/dead-letters', { key: ADMIN_KEY })
  const [letter] = ((await letters.json()) as { data: { tenant_id: string }[] }).data
  const tenant = await ofAdmin(posthorn, `?tenant_id=${letter?.tenant_id}`)
  expect(tenant).toMatchObject({ scope: { kind: 'tenant', id: letter?.tenant_id } })
  expect(tenant.totals).toEqual({ delivered: 20, failed: 8, dead: 5 })
  expect(await ofAdmin(posthorn, `?endpoint_id=${works}`)).toMatchObject({ totals: good.totals })
})

describe('where nothing is delivered', () => {
  const still = { POSTHORN_ROLES: 'api', POSTHORN_MAX_PENDING: '3' }

  test('there is no rate and no latency, and all minutes are there', async () => {
    await using posthorn = await startTestService(still)
    const stats = await ofAdmin(posthorn, '?minutes=3')
    expect(stats).toMatchObject({ totals: NONE, success_rate: null })
    expect(stats.latency_ms).toEqual({ p50: null, p90: null, p95: null, p99: null })
    expect(stats.deliveries_per_minute.map(({ delivered }) => delivered)).toEqual([0, 0, 0])
    expect(stats.queue).toEqual({
      jobs_ready: 0,
      oldest_job_due_at: null,
      deliveries_due: 0,
      oldest_delivery_due_at: null,
      endpoints_held: 0,
      breakers_open: 0,
    })
  })

  test('what waits is told: jobs, deliveries, and those of a disabled endpoint', async () => {
    await using posthorn = await startTestService(still)
    const id = await register(posthorn, 'http://127.0.0.1:18080/', 'a.b', API_KEY)
    await register(posthorn, 'http://127.0.0.1:18080/', 'a.c', API_KEY, { enabled: false })
    await publish(posthorn, 'a.b', 3)
    await publish(posthorn, 'a.c', 1)
    await posthorn.submit({ type: 'echo', payload: {} })
    // Counted in the background, once a second.
    await expect.poll(async () => (await ofAdmin(posthorn)).queue).toMatchObject({ jobs_ready: 1 })
    const { queue } = await ofAdmin(posthorn)
    expect(queue).toMatchObject({ deliveries_due: 3, endpoints_held: 1, breakers_open: 0 })
    expect(Date.parse(String(queue.oldest_delivery_due_at))).toBeLessThanOrEqual(Date.now() + 1000)
    expect(Date.parse(String(queue.oldest_job_due_at))).toBeLessThanOrEqual(Date.now() + 1000)
    const ofEndpoint = await read(posthorn, `/v1/endpoints/${id}/stats`)
    expect(ofEndpoint.lane).toEqual({ pending: 3, oldest_due_at: queue.oldest_delivery_due_at })
    expect(ofEndpoint.queue).toMatchObject({ deliveries_due: 3, endpoints_held: 0 })
    expect(ofEndpoint.queue).not.toHaveProperty('jobs_ready')
    for (let n = 0; n < 2; n++) await posthorn.submit({ type: 'echo', payload: {} })
    await expect.poll(async () => (await ofAdmin(posthorn)).queue).toMatchObject({ jobs_ready_at_least: 3 })
  })

  test('the request must make sense, and be allowed', async () => {
    await using posthorn = await startTestService(still)
    const ask = (query: string, key = ADMIN_KEY) => posthorn.api(`/v1/admin/stats?${query}`, { key })
    for (const query of [
      'minutes=0',
      'minutes=1441',
      'minutes=1.5',
      'minutes=',
      'tenant_id=',
      'tenant_id=a&endpoint_id=b',
    ])
      await problemIn(await ask(query), 400, 'invalid-request')
    expect((await ask('minutes=1440')).status).toBe(200)
    await problemIn(await ask('', API_KEY), 403, 'forbidden')
    await problemIn(await posthorn.api('/v1/endpoints/ep_none/stats'), 404, 'not-found')
    expect((await ofAdmin(posthorn, '?tenant_id=ten_none')).totals).toEqual(NONE)
  })
})
