import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { onPostgres } from '../support/engine.ts'
import { problemIn } from '../support/problem.ts'
import { startReceiver } from '../support/receiver.ts'
import { finished, startTestService, type TestService } from '../support/service.ts'
import { folderWithOtherTenant, OTHER_KEY } from '../support/tenants.ts'

interface Page {
  data: { id: string; body: { type: string; timestamp: string; data: unknown } }[]
  next_cursor: string
  links: { href: string; rel: string }[]
}

const publish = async (posthorn: TestService, type: string, data: unknown, key?: string): Promise<string> => {
  const response = await posthorn.api('/v1/events', { json: { type, data }, ...(key && { key }) })
  return ((await response.json()) as { id: string }).id
}

const pull = async (posthorn: TestService, query = '', init: Parameters<TestService['api']>[1] = {}): Promise<Page> => {
  const response = await posthorn.api(`/v1/events${query}`, init)
  expect(response.status).toBe(200)
  return (await response.json()) as Page
}

/** Reads on from a cursor until there are so many. */
async function pullAll(posthorn: TestService, count: number, after?: string, types = ''): Promise<Page['data']> {
  const seen: Page['data'] = []
  let query = after === undefined ? '?limit=3' : `?limit=3&after=${after}`
  while (seen.length < count) {
    const page = await pull(posthorn, query + types, { headers: { prefer: 'wait=10' } })
    seen.push(...page.data)
    query = `?limit=3&after=${page.next_cursor}`
    if (page.data.length === 0) break
  }
  return seen
}

describe('events are pulled', () => {
  let posthorn: TestService
  beforeAll(async () => {
    posthorn = await startTestService({ POSTHORN_SYNC_TIMEOUT: '10s' }, await folderWithOtherTenant())
  })
  afterAll(() => posthorn[Symbol.asyncDispose]())

  /** The end as it is now: a test reads what is its own from there. */
  async function end(): Promise<string> {
    await publish(posthorn, 'mark.here', null)
    for (let after = '', page: Page; ; after = page.next_cursor) {
      page = await pull(posthorn, after && `?after=${after}`)
      if (page.data.at(-1)?.body.type === 'mark.here') return page.next_cursor
    }
  }

  test('with the ids and bytes they are pushed with, each once, in the order they were published', async () => {
    await using receiver = await startReceiver()
    const { next_cursor: from } = await pull(posthorn, `?after=${await end()}`)
    await posthorn.api('/v1/endpoints', { json: { url: receiver.url, event_types: ['order.*'] } })
    const data = '{ "b":1, "a" : 9007199254740993, "a": "\\u00e9é", "x":[1.0, -0] }'
    const headers = { 'content-type': 'application/json' }
    const body = `{"data":${data},"type":"order.odd"}`
    expect((await posthorn.api('/v1/events', { method: 'POST', body, headers })).status).toBe(202)
    const ids: string[] = []
    for (let n = 0; n < 7; n++) ids.push(await publish(posthorn, 'order.paid', { n }))
    const hits = await receiver.waitFor(8)
    const events = await pullAll(posthorn, 8, from)
    expect(events.slice(1).map(({ id }) => id)).toEqual(ids)
    const text = await (await posthorn.api(`/v1/events?after=${from}`)).text()
    for (const hit of hits) expect(text).toContain(`{"id":"${hit.headers['webhook-id']}","body":${hit.body}}`)
  })

  test('those of jobs with them', async () => {
    await using receiver = await startReceiver()
    const from = await end()
    const id = await posthorn.submit({ type: 'echo', callback_url: receiver.url })
    await posthorn.job(id, finished)
    const [hit] = await receiver.waitFor(1)
    const [event] = await pullAll(posthorn, 1, from)
    expect(event).toEqual({ id: hit?.headers['webhook-id'], body: JSON.parse(hit?.body ?? '') })
  })

  test('by their types', async () => {
    const from = await end()
    for (const type of ['order.paid', 'invoice.paid', 'invoice.sent', 'order.sent.late']) {
      await publish(posthorn, type, 1)
    }
    const types = async (query: string, count: number) =>
      (await pullAll(posthorn, count, from, `&types=${query}`)).map(({ body }) => body.type)
    expect(await types('order.*,invoice.paid', 3)).toEqual(['order.paid', 'invoice.paid', 'order.sent.late'])
    expect(await types('*', 4)).toHaveLength(4)
    // The cursor has passed what was not asked for.
    const { data, next_cursor: next } = await pull(posthorn, `?after=${from}&types=nothing.here`)
    expect(data).toEqual([])
    expect((await pull(posthorn, `?after=${next}`)).data).toEqual([])
  })

  test('of one’s own tenant alone', async () => {
    const from = await end()
    const other = await pull(posthorn, '?after=latest', { key: OTHER_KEY })
    const foreign = await publish(posthorn, 'their.own', 1, OTHER_KEY)
    const own = await publish(posthorn, 'our.own', 1)
    expect((await pullAll(posthorn, 1, from)).map(({ id }) => id)).toEqual([own])
    const theirs = await pull(posthorn, `?after=${other.next_cursor}`, {
      key: OTHER_KEY,
      headers: { prefer: 'wait=10' },
    })
    expect(theirs.data.map(({ id }) => id)).toEqual([foreign])
  })

  test('from the end on, with `latest`', async () => {
    await end()
    const { data, next_cursor: from } = await pull(posthorn, '?after=latest')
    expect(data).toEqual([])
    const id = await publish(posthorn, 'order.new', 1)
    expect((await pullAll(posthorn, 1, from)).map((event) => event.id)).toEqual([id])
  })

  test('in pages that are not too large', async () => {
    const from = await end()
    for (let n = 0; n < 6; n++) await publish(posthorn, 'order.large', 'x'.repeat(900_000))
    const sizes: number[] = []
    for (let after = from; sizes.reduce((sum, size) => sum + size, 0) < 6; ) {
      const page = await pull(posthorn, `?after=${after}`, { headers: { prefer: 'wait=10' } })
      sizes.push(page.data.length)
      after = page.next_cursor
    }
    expect(Math.max(...sizes)).toBeLessThan(6)
  })

  test('with the wait that is preferred, and no longer than until there is one', async () => {
    const from = await end()
    const waiting = pull(posthorn, `?after=${from}&types=order.*`, { headers: { prefer: 'wait=10' } })
    // Of another type: it goes on waiting.
    await publish(posthorn, 'invoice.sent', 1)
    const id = await publish(posthorn, 'order.sent', 1)
    const start = performance.now()
    const { data } = await waiting
    expect(data.map((event) => event.id)).toEqual([id])
    expect(performance.now() - start).toBeLessThan(2000)
  })

  test('with an empty page when the wait is over, that says where to go on', async () => {
    const from = await end()
    const start = performance.now()
    const page = await pull(posthorn, `?after=${from}`, { headers: { prefer: 'wait=1' } })
    expect(performance.now() - start).toBeGreaterThanOrEqual(990)
    expect(page).toMatchObject({ data: [], next_cursor: from })
    const id = await publish(posthorn, 'order.new', 1)
    const next = page.links.find(({ rel }) => rel === 'next')?.href ?? ''
    const { pathname, search } = new URL(next)
    const events = (await pull(posthorn, search, { headers: { prefer: 'wait=10' } })).data
    expect([pathname, ...events.map((event) => event.id)]).toEqual(['/v1/events', id])
  })

  test.each(['after=nonsense', 'after=', 'after=YmVmb3JlOngx', 'types=order.**', 'types=', 'limit=0', 'limit=201'])(
    '%s is refused',
    async (query) => {
      const { details } = await problemIn(await posthorn.api(`/v1/events?${query}`), 400, 'invalid-request')
      expect(details.map(({ field }) => field)).toEqual([query.split('=')[0]])
    },
  )
})

test('a tenant without events has a cursor, too, behind which the first one comes', async () => {
  await using posthorn = await startTestService()
  const pages = [await pull(posthorn), await pull(posthorn, '?after=latest')]
  const id = await publish(posthorn, 'order.paid', 1)
  for (const { data, next_cursor: from } of pages) {
    expect(data).toEqual([])
    const next = await pull(posthorn, `?after=${from}`, { headers: { prefer: 'wait=10' } })
    expect(next.data.map((event) => event.id)).toEqual([id])
  }
})

test('who waits is let go when the service stops', async () => {
  const posthorn = await startTestService()
  const start = performance.now()
  const waiting = pull(posthorn, '', { headers: { prefer: 'wait=20' } })
  await expect.poll(() => posthorn.api('/healthz').then(({ ok }) => ok)).toBe(true)
  await posthorn[Symbol.asyncDispose]()
  expect((await waiting).data).toEqual([])
  expect(performance.now() - start).toBeLessThan(10_000)
})

test.runIf(onPostgres)('who waits at one process hears of what is published at another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'))
  await using one = await startTestService({}, folder)
  await using other = await startTestService({}, folder)
  const waiting = pull(one, '', { headers: { prefer: 'wait=15' } })
  await other.api('/healthz')
  const id = await publish(other, 'order.paid', 1)
  expect((await waiting).data.map((event) => event.id)).toEqual([id])
})
