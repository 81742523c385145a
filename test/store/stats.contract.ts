import { expect, test } from 'vitest'
import { newEndpointRow } from '../../src/store/new-rows.ts'
import { MINUTE_MS } from '../../src/store/stats-store.ts'
import type { Endpoint, Scope, StatRow } from '../../src/store/store.ts'
import { newJob, OTHER, TENANT, unreserved, WORKER } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

const limits = { count: 100, lanes: 100 }
const platform: Scope = { kind: 'platform' }
const tenant: Scope = { kind: 'tenant', id: TENANT }
const endpoint = (id: string): Scope => ({ kind: 'endpoint', id })
const nothing = { due: 0, oldestDueAt: null, held: 0, open: 0 }

/** What every store must do with statistics. */
export function statsContract(subject: Subject): void {
  const row = (changes: Partial<StatRow> = {}): StatRow => {
    return { scope: TENANT, minute: 0, outcome: 'delivered', bucket: 3, count: 1, ...changes }
  }
  /** An endpoint for events of one type, so that a test can say what waits where. */
  const register = async (type: string, changes: Partial<Endpoint> = {}): Promise<string> => {
    const { store, clock } = subject()
    const id = clock.newId('ep')
    const made = { id, tenantId: TENANT, kind: 'registered', createdAt: clock.now() } as const
    const url = 'http://receiver.example/'
    await store.endpoints.add(newEndpointRow({ ...made, url, eventTypes: JSON.stringify([type]), ...changes }), null)
    return id
  }
  const publish = async (type: string, key: string | null = null, tenantId = TENANT): Promise<void> => {
    const { store, clock } = subject()
    const at = { createdAt: clock.now(), expiresAt: clock.now() + 1e9 }
    const event = { id: clock.newId('evt'), tenantId, type, jobId: null, key, body: '{}', traceparent: '', ...at }
    await store.events.accept({ ...event, newDeliveryId: () => clock.newId('dlv') }, null)
  }

  test('counts of attempts add up, by scope', async () => {
    const { stats } = subject().store
    await stats.add([row(), row({ bucket: 4, count: 2 }), row({ outcome: 'dead' }), row({ minute: MINUTE_MS })])
    await stats.add([row({ count: 5 }), row({ scope: '', count: 9 })])
    const { minutes, buckets } = await stats.attempts(tenant, 0)
    expect(minutes.sort((a, b) => a.minute - b.minute || (a.outcome < b.outcome ? -1 : 1))).toEqual([
      { minute: 0, outcome: 'dead', count: 1 },
      { minute: 0, outcome: 'delivered', count: 8 },
      { minute: MINUTE_MS, outcome: 'delivered', count: 1 },
    ])
    expect(buckets.sort((a, b) => a.bucket - b.bucket)).toEqual([
      { bucket: 3, count: 8 },
      { bucket: 4, count: 2 },
    ])
    expect(await stats.attempts(platform, 0)).toMatchObject({ minutes: [{ count: 9 }] })
    expect(await stats.attempts(endpoint('ep_none'), 0)).toEqual({ minutes: [], buckets: [], arrivals: [] })
  })

  test('what arrived is counted apart from the attempts', async () => {
    const { stats } = subject().store
    await stats.add([row(), row({ outcome: 'arrived', bucket: 9, count: 4 })])
    await stats.add([row({ outcome: 'arrived', bucket: 9 }), row({ outcome: 'arrived', minute: MINUTE_MS, bucket: 9 })])
    expect(await stats.attempts(tenant, 0)).toEqual({
      minutes: [{ minute: 0, outcome: 'delivered', count: 1 }],
      buckets: [{ bucket: 3, count: 1 }],
      arrivals: [{ bucket: 9, count: 6 }],
    })
    expect((await stats.attempts(tenant, MINUTE_MS)).arrivals).toEqual([{ bucket: 9, count: 1 }])
  })

  test('earlier minutes are left out', async () => {
    const { stats } = subject().store
    await stats.add([row(), row({ minute: MINUTE_MS, count: 7 })])
    const { minutes, buckets } = await stats.attempts(tenant, MINUTE_MS)
    expect([minutes, buckets]).toMatchObject([[{ minute: MINUTE_MS, count: 7 }], [{ count: 7 }]])
  })

  test('many that add to the same rows at once lose nothing', async () => {
    const { stats } = subject().store
    const rows = Array.from({ length: 300 }, (_, bucket) => row({ bucket }))
    const orders = [rows, rows.toReversed(), rows, rows.toReversed(), rows, rows.toReversed()]
    await Promise.all(orders.map((some) => stats.add(some)))
    const { buckets } = await stats.attempts(tenant, 0)
    expect(buckets).toHaveLength(300)
    expect(new Set(buckets.map(({ count }) => count))).toEqual(new Set([orders.length]))
  })

  test('old ones are removed, so many at a time', async () => {
    const { stats } = subject().store
    await stats.add([0, 1, 2, 3].map((minute) => row({ minute: minute * MINUTE_MS })))
    expect(await stats.purge(3 * MINUTE_MS, 2)).toBe(2)
    expect(await stats.purge(3 * MINUTE_MS, 2)).toBe(1)
    expect(await stats.purge(3 * MINUTE_MS, 2)).toBe(0)
    expect(await stats.attempts(tenant, 0)).toMatchObject({ minutes: [{ minute: 3 * MINUTE_MS }] })
  })

  test('what could be sent now is counted over lanes, to the limit, with its oldest', async () => {
    const { store, clock } = subject()
    const first = clock.now()
    const a = await register('a')
    await register('b')
    expect(await store.stats.lanes(platform, clock.now(), limits)).toEqual(nothing)
    await publish('a')
    clock.advance(1000)
    for (let n = 0; n < 3; n++) await publish('b')
    const figures = { ...nothing, due: 4, oldestDueAt: first }
    expect(await store.stats.lanes(platform, clock.now(), limits)).toEqual(figures)
    expect(await store.stats.lanes(tenant, clock.now(), limits)).toEqual(figures)
    expect(await store.stats.lanes(endpoint(a), clock.now(), limits)).toEqual({ ...figures, due: 1 })
    expect(await store.stats.lanes(platform, clock.now(), { count: 2, lanes: 100 })).toMatchObject({ due: 2 })
    expect(await store.stats.lanes(platform, clock.now(), { count: 100, lanes: 1 })).toMatchObject({ due: 1 })
    expect(await store.stats.lanes(platform, first - 1, limits)).toEqual(nothing)
  })

  test('another tenant’s lanes are not in a tenant’s figures', async () => {
    const { store, clock } = subject()
    await register('a', { tenantId: OTHER })
    await publish('a', null, OTHER)
    expect(await store.stats.lanes(tenant, clock.now(), limits)).toEqual(nothing)
    expect(await store.stats.lanes({ kind: 'tenant', id: OTHER }, clock.now(), limits)).toMatchObject({ due: 1 })
    expect(await store.stats.lanes(platform, clock.now(), limits)).toMatchObject({ due: 1 })
  })

  test('lanes that are disabled, paused or open are not due, and those with nothing waiting are not counted', async () => {
    const { store, clock } = subject()
    const now = clock.now()
    const held = await register('a', { disabledAt: now })
    await register('a', { pausedUntil: now + 1000 })
    const open = await register('a', { probeAt: now - 1 })
    await register('empty', { disabledAt: now })
    await register('empty', { probeAt: now })
    await publish('a')
    expect(await store.stats.lanes(platform, now, limits)).toEqual({ ...nothing, held: 1, open: 1 })
    expect(await store.stats.lanes(endpoint(held), now, limits)).toEqual({ ...nothing, held: 1 })
    expect(await store.stats.lanes(endpoint(open), now, limits)).toEqual({ ...nothing, open: 1 })
    clock.advance(1001)
    expect(await store.stats.lanes(platform, clock.now(), limits)).toMatchObject({ due: 1, oldestDueAt: now })
  })

  test('an endpoint that was deleted holds nothing any more', async () => {
    const { store, clock } = subject()
    const id = await register('a')
    await publish('a')
    await store.endpoints.remove(TENANT, id, clock.now())
    expect(await store.stats.lanes(platform, clock.now(), limits)).toEqual(nothing)
  })

  test('all that waits for an endpoint is counted, to the limit: of a key and for another time as well', async () => {
    const { store, clock } = subject()
    const id = await register('a', { ordering: 'fifo', disabledAt: clock.now() })
    const first = clock.now()
    expect(await store.stats.waiting(id, first, 100)).toEqual({ pending: 0, oldestDueAt: null })
    for (let n = 0; n < 3; n++) await publish('a', 'key')
    await publish('a')
    expect(await store.stats.waiting(id, first, 100)).toEqual({ pending: 4, oldestDueAt: first })
    expect(await store.stats.waiting(id, first, 3)).toEqual({ pending: 3, oldestDueAt: first })
    expect(await store.stats.waiting(id, first - 1, 100)).toEqual({ pending: 4, oldestDueAt: null })
  })

  test('ready jobs are counted for their tenant, and the oldest is found over types and priorities', async () => {
    const { store, clock } = subject()
    expect(await store.stats.oldestReadyJob(null)).toBeNull()
    expect(await store.stats.oldestReadyJob(TENANT)).toBeNull()
    const first = clock.now()
    await store.jobs.accept(newJob(clock, { tenantId: OTHER, type: 'z', priority: 9 }), null)
    clock.advance(1000)
    const second = clock.now()
    await store.jobs.accept(newJob(clock, { type: 'b', priority: 9 }), null)
    clock.advance(1000)
    await store.jobs.accept(newJob(clock, { type: 'b', priority: 0 }), null)
    await store.jobs.accept(newJob(clock, { type: 'a', priority: 0 }), null)
    await store.jobs.accept(newJob(clock, { runAt: clock.now() + 1000 }), null)
    expect(await store.stats.oldestReadyJob(null)).toBe(first)
    expect(await store.stats.oldestReadyJob(TENANT)).toBe(second)
    expect(await store.stats.readyJobs(TENANT, 100)).toBe(3)
    expect(await store.stats.readyJobs(TENANT, 2)).toBe(2)
    expect(await store.stats.readyJobs('ten_none', 2)).toBe(0)
    const types = new Map([['b', 2]])
    await store.jobs.claim({ workerId: WORKER, now: clock.now(), limit: 2, types, afterTenant: null, ...unreserved })
    expect(await store.stats.readyJobs(TENANT, 100)).toBe(1)
    expect(await store.stats.oldestReadyJob(TENANT)).toBe(clock.now())
  })
}
