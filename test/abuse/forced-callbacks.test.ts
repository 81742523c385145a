import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, submit } from '../chaos/client.ts'
import { tell } from '../chaos/form.ts'
import { until } from '../support/until.ts'
import { namespaces, OWN_ADDRESS, RECEIVER, startWorld, type World } from './namespace.ts'
import { FORBIDDEN_NAMES, FORBIDDEN_URLS, NEIGHBOURS, PLAIN_HOSTS } from './urls.ts'

interface Ended {
  url: string
  status: string
  reason: string | null
  deaths: number
}

const DELIVERIES = `SELECT d.url, d.status, max(l.reason) AS reason, count(l.id) AS deaths
  FROM deliveries d LEFT JOIN dead_letters l ON l.delivery_id = d.id GROUP BY d.id`

/** Whatever number ABUSE gives it: neither registration nor DNS has had a say in these. */
describe.skipIf(!namespaces)('a callback URL that came into the tables past the checks', () => {
  let world: World
  let urls: string[]
  beforeAll(async () => {
    world = await startWorld({ POSTHORN_RETRY_SCHEDULE: '200ms' }, FORBIDDEN_NAMES)
    const names = Object.keys(FORBIDDEN_NAMES).map((name) => `http://${name}/hook`)
    urls = [...FORBIDDEN_URLS, ...names, `http://${OWN_ADDRESS}/hook`, `${world.place}/v1/jobs`]
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose]())

  const ended = async (status: string, deaths = 0): Promise<Ended[]> => {
    const all = () => world.rows<Ended>(DELIVERIES)
    await until(`all are ${status}`, () => all().every((row) => row.status === status && row.deaths === deaths))
    return all()
  }
  const jobs = async (count: number, job: object): Promise<string[]> => {
    const ids: string[] = []
    while (ids.length < count) {
      const chunk = Array.from({ length: Math.min(20, count - ids.length) }, () => submit(world.url, job))
      ids.push(...(await Promise.all(chunk)))
    }
    return ids
  }
  const refused = (rows: Ended[]): void => {
    const wrong = rows.filter(({ reason }) => reason !== 'blocked_address' && reason !== 'invalid')
    expect(wrong).toEqual([])
  }

  test('of a job is refused at the attempt, and so is its replay', { timeout: 60_000 }, async () => {
    const callback = { type: 'echo', payload: {}, callback_url: `${RECEIVER}/hook`, run_at: '2099-01-01T00:00:00Z' }
    const ids = await jobs(urls.length, callback)
    const now = Date.now()
    world.force(
      'UPDATE jobs SET callback_url = ?, run_at = ?, due_at = ? WHERE id = ?',
      urls.map((url, n) => [url, now, now, ids[n]]),
    )
    await until('all have a delivery', () => world.rows(DELIVERIES).length === urls.length)
    const rows = await ended('dead', 1)
    refused(rows)
    expect(new Set(rows.map(({ url }) => url)).size).toBe(new Set(urls).size)
    const found = world.rows<{ id: string }>('SELECT id FROM deliveries')
    for (const { id } of found) await api(world.url, `/v1/deliveries/${id}/replay`, {})
    refused(await ended('dead', 2))
    const sent = world.rows('SELECT 1 FROM attempts WHERE remote_address IS NOT NULL OR status IS NOT NULL')
    expect([await world.forbiddenHits(), sent]).toEqual([[], []])
    tell('forced callbacks', { urls: urls.length, attempts: 2 * rows.length, hits: 0 })
  })

  test('of a delivery that once arrived is refused when it is replayed', { timeout: 60_000 }, async () => {
    world.force('DELETE FROM dead_letters', [[]])
    world.force('DELETE FROM deliveries', [[]])
    await jobs(urls.length, { type: 'echo', payload: {}, callback_url: `${RECEIVER}/hook` })
    await until('all have a delivery', () => world.rows(DELIVERIES).length === urls.length)
    await ended('delivered')
    const found = world.rows<{ id: string }>('SELECT id FROM deliveries')
    world.force(
      'UPDATE deliveries SET url = ? WHERE id = ?',
      urls.map((url, n) => [url, found[n]?.id]),
    )
    for (const { id } of found) await api(world.url, `/v1/deliveries/${id}/replay`, {})
    refused(await ended('dead', 1))
    expect(await world.forbiddenHits()).toEqual([])
  })

  test('is called when it is just outside of what is forbidden', async () => {
    for (const url of NEIGHBOURS) await submit(world.url, { type: 'echo', payload: {}, callback_url: url })
    const reached = async () => {
      const hits = await world.hits()
      return NEIGHBOURS.filter((url) => hits.some(({ address, requests }) => url.includes(address) && requests.length))
    }
    await expect.poll(reached).toEqual(NEIGHBOURS)
  })

  test('brings no header of its own onto the wire', async () => {
    const path = '/hook%0d%0ax-injected:%20yes?a=%0d%0ab%00'
    await submit(world.url, { type: 'echo', payload: {}, callback_url: RECEIVER + path })
    const hit = async () => (await world.hits()).find(({ requests }) => requests.at(-1) === `POST ${path}`)
    await expect.poll(hit).toBeDefined()
    expect((await hit())?.headers).not.toContain('x-injected')
  })

  // The last one: from here on there are hits.
  test('leads to the canary whoever does not ask', async () => {
    const reached = await Promise.all(PLAIN_HOSTS.map((host) => world.dial(host, 80)))
    tell('canary', { addresses: PLAIN_HOSTS.length, reached: reached.filter(Boolean).length })
    expect(reached.filter(Boolean).length).toBeGreaterThanOrEqual(35)
    expect(await world.dial('93.184.216.34', 80)).toBe(true)
  })
})
