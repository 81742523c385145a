import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, change, publish, register } from '../chaos/client.ts'
import { tell } from '../chaos/form.ts'
import { until } from '../support/until.ts'
import { namespaces, OWN_ADDRESS, RECEIVER, startWorld, type World } from './namespace.ts'
import { FORBIDDEN_NAMES, FORBIDDEN_URLS } from './urls.ts'

interface Tried {
  attempt: { status: number | null; remote_address: string | null; error: { class: string } | null }
}

const RETRIES = new Array(50).fill('500ms').join()
const SIDE_BY_SIDE = 20

/** An endpoint for each URL, as one event reaches them all. */
describe.skipIf(!namespaces)('the URL of a registered endpoint that came into the tables past the checks', () => {
  let world: World
  let urls: string[]
  let ids: string[]
  beforeAll(async () => {
    world = await startWorld({ POSTHORN_RETRY_SCHEDULE: RETRIES }, FORBIDDEN_NAMES)
    const names = Object.keys(FORBIDDEN_NAMES).map((name) => `http://${name}/hook`)
    urls = [...FORBIDDEN_URLS, ...names, `http://${OWN_ADDRESS}/hook`, `${world.place}/v1/events`]
    ids = await each(urls, async () => (await register(world.url, { url: `${RECEIVER}/503/hook` })).id)
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose]())

  async function each<From, To>(all: readonly From[], act: (one: From, n: number) => Promise<To>): Promise<To[]> {
    const done: To[] = []
    for (let n = 0; n < all.length; n += SIDE_BY_SIDE) {
      done.push(...(await Promise.all(all.slice(n, n + SIDE_BY_SIDE).map((one, m) => act(one, n + m)))))
    }
    return done
  }
  const count = (where: string): number =>
    world.rows<{ n: number }>(`SELECT count(*) AS n FROM deliveries d WHERE ${where}`)[0]?.n ?? 0
  const deaths = (): Record<string, number> =>
    Object.fromEntries(
      world
        .rows<{ reason: string; n: number }>('SELECT reason, count(*) AS n FROM dead_letters GROUP BY reason')
        .map(({ reason, n }) => [reason, n]),
    )

  test('is refused at the retry, though the first attempt reached somebody', { timeout: 60_000 }, async () => {
    await publish(world.url, { type: 'a.b', data: 1 })
    await until('each was tried once', () => count('attempts > 0 AND last_status = 503') === urls.length)
    world.force(
      'UPDATE endpoints SET url = ? WHERE id = ?',
      urls.map((url, n) => [url, ids[n]]),
    )
    await until('all are dead', () => count("status = 'dead'") === urls.length)
    const { blocked_address: blocked = 0, invalid = 0, ...others } = deaths()
    expect([blocked + invalid, others]).toEqual([urls.length, {}])
    expect(await world.forbiddenHits()).toEqual([])
    tell('forced endpoints', { urls: urls.length, blocked, invalid, hits: 0 })
  })

  test('is refused when it is replayed', { timeout: 60_000 }, async () => {
    const found = world.rows<{ id: string }>('SELECT id FROM deliveries')
    await each(found, ({ id }) => api(world.url, `/v1/deliveries/${id}/replay`, {}))
    await until('all are dead again', () => count("status = 'dead' AND replays = 1") === urls.length)
    const { blocked_address: blocked = 0, invalid = 0, ...others } = deaths()
    expect([blocked + invalid, others]).toEqual([2 * urls.length, {}])
    expect(await world.forbiddenHits()).toEqual([])
  })

  test('is refused when the endpoint is tried', { timeout: 60_000 }, async () => {
    const tried = await each(ids, async (id) => (await api(world.url, `/v1/endpoints/${id}/test`, {})).json())
    const wrong = (tried as Tried[]).filter(({ attempt: { status, remote_address: remote, error } }) => {
      return status !== null || remote !== null || !/^(?:blocked_address|invalid_url)$/.test(error?.class ?? '')
    })
    expect(wrong).toEqual([])
    expect(await world.forbiddenHits()).toEqual([])
  })

  test('is called again once it is set to what may be called', async () => {
    const [id] = ids
    await change(world.url, `/v1/endpoints/${id}`, { url: `${RECEIVER}/hook` })
    const [dead] = world.rows<{ id: string }>('SELECT id FROM deliveries WHERE endpoint_id = ?', id)
    await api(world.url, `/v1/deliveries/${dead?.id}/replay`, {})
    await until('it is delivered', () => count("status = 'delivered'") === 1)
    expect(await world.forbiddenHits()).toEqual([])
  })
})
