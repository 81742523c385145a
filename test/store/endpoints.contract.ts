import { expect, test } from 'vitest'
import { noticeMaker } from '../../src/delivery/notices.ts'
import { newEndpointRow } from '../../src/store/new-rows.ts'
import type { NewEvent, NewKey, Trouble } from '../../src/store/store.ts'
import { addEndpoint } from '../support/dead-letters.ts'
import { callback, completed, newJob, OTHER, record, silent, TENANT, unreserved, WORKER } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

const URL = 'http://receiver.example/'
const key: NewKey = { key: 'k', fingerprint: 'f' }
const all = { limit: 50, before: null }

/** What every store must do with registered endpoints. */
export function endpointsContract(subject: Subject): void {
  const register = () => addEndpoint(subject().store, subject().clock, TENANT, URL)
  const publish = (withKey: NewKey | null = null, changes: Partial<NewEvent> = {}) => {
    const { store, clock } = subject()
    const createdAt = clock.now()
    const event: NewEvent = {
      id: clock.newId('evt'),
      tenantId: TENANT,
      type: 'order.paid',
      jobId: null,
      key: null,
      body: '{}',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      createdAt,
      expiresAt: createdAt + 86_400_000,
      newDeliveryId: () => clock.newId('dlv'),
      ...changes,
    }
    return store.events.accept(event, withKey)
  }
  const buryDeleted = () => {
    const { store, clock } = subject()
    return store.deliveries.buryDeleted({
      now: clock.now(),
      limit: 10,
      newId: () => clock.newId('dead'),
      notices: silent,
    })
  }

  test('an endpoint is its tenant’s alone to read, to change and to delete', async () => {
    const { store, clock } = subject()
    const id = await register()
    expect(await store.endpoints.get(TENANT, id)).toMatchObject({ id, url: URL, kind: 'registered' })
    expect(await store.endpoints.list(TENANT, all)).toHaveLength(1)
    expect(await store.endpoints.get(OTHER, id)).toBeNull()
    expect(await store.endpoints.list(OTHER, all)).toEqual([])
    expect(await store.endpoints.update(OTHER, id, (endpoint) => endpoint)).toBeNull()
    expect(await store.endpoints.remove(OTHER, id, clock.now())).toBe(false)
    expect(await store.endpoints.update(null, id, (one) => ({ ...one, description: 'ours' }))).toMatchObject({ id })
    expect(await store.endpoints.get(TENANT, id)).toMatchObject({ description: 'ours' })
  })

  test('asked for at once, each gets what is its own, and ids that nobody has get nothing', async () => {
    const { endpoints } = subject().store
    const [one, other] = [await register(), await register()]
    const ids = [one, 'ep_none', '\0', one, other, '\ud800']
    const found = await Promise.all(ids.map((id) => endpoints.get(TENANT, id)))
    expect(found.map((endpoint) => endpoint?.id ?? null)).toEqual([one, null, null, one, other, null])
  })

  test('those that are not sent to are listed by why', async () => {
    const { store, clock } = subject()
    const [fine, disabled, open] = [await register(), await register(), await register()]
    await store.endpoints.update(null, disabled, (one) => ({ ...one, disabledAt: clock.now() }))
    await store.endpoints.update(null, open, (one) => ({ ...one, probeAt: clock.now() }))
    const ids = async (trouble?: Trouble) => (await store.endpoints.list(null, all, trouble)).map(({ id }) => id)
    expect(await ids()).toEqual([open, disabled, fine])
    expect(await ids('disabled')).toEqual([disabled])
    expect(await ids('open')).toEqual([open])
  })

  test('20 changes at once all count', async () => {
    const { store } = subject()
    const id = await register()
    const raise = () =>
      store.endpoints.update(TENANT, id, (one) => ({ ...one, maxConcurrency: one.maxConcurrency + 1 }))
    await Promise.all(Array.from({ length: 20 }, raise))
    expect(await store.endpoints.get(TENANT, id)).toMatchObject({ maxConcurrency: 84 })
  })

  test('a key stands for the endpoint it made, until that is deleted', async () => {
    const { store, clock } = subject()
    const add = () => {
      const id = clock.newId('ep')
      return store.endpoints.add(
        newEndpointRow({ id, tenantId: TENANT, kind: 'registered', url: URL, createdAt: clock.now() }),
        key,
      )
    }
    const first = await add()
    if (first.kind !== 'created') throw new Error(first.kind)
    expect(await add()).toEqual({ kind: 'repeated', endpoint: first.endpoint })
    await store.endpoints.remove(TENANT, first.endpoint.id, clock.now())
    expect(await add()).toMatchObject({ kind: 'created' })
  })

  test('what waits for an endpoint when it is deleted becomes a dead letter, and new events pass it by', async () => {
    const { store, clock } = subject()
    const id = await register()
    await publish()
    await store.endpoints.remove(TENANT, id, clock.now())
    expect(await publish()).toMatchObject({ kind: 'created', lanes: [] })
    expect(await store.deliveries.dueLanes(clock.now())).toEqual([])
    expect(await buryDeleted()).toBe(1)
    expect(await store.deliveries.deadLetters({}, all)).toMatchObject([{ endpointId: id, reason: 'endpoint_deleted' }])
    expect(await buryDeleted()).toBe(0)
  })

  test('that something waits for long is told once, until it is over; what is held is no backlog', async () => {
    const { store, clock } = subject()
    const id = await register()
    const ops = await addEndpoint(store, clock, TENANT, URL, { eventTypes: '["backlog.high"]' })
    const notices = noticeMaker(clock, 1000)
    const tell = () => store.deliveries.tellBacklogs({ now: clock.now(), dueBefore: clock.now() - 1000, notices })
    const toldOf = async () =>
      (await store.deliveries.list(TENANT, { endpointId: ops }, all)).map(({ eventType }) => eventType)
    await publish()
    expect(await tell()).toBe(0)
    clock.advance(2000)
    expect(await Promise.all([tell(), tell()]).then((counts) => counts.toSorted())).toEqual([0, 1])
    expect(await toldOf()).toEqual(['backlog.high'])
    await store.endpoints.update(TENANT, id, (one) => ({ ...one, disabledAt: clock.now() }))
    expect(await tell()).toBe(0)
    await store.endpoints.update(TENANT, id, (one) => ({ ...one, disabledAt: null }))
    expect(await tell()).toBe(1)
    expect(await toldOf()).toEqual(['backlog.high', 'backlog.high'])
    // Those wait as well by then, but nobody is told of the telling.
    clock.advance(2000)
    await tell()
    expect(await toldOf()).toHaveLength(2)
  })

  test('a job that ends when its endpoint is long gone leaves a dead letter', async () => {
    const { store, clock } = subject()
    const endpointId = await register()
    await store.jobs.accept(newJob(clock, { callback: null, endpointId, callbackUrl: URL }), null)
    await store.endpoints.remove(TENANT, endpointId, clock.now())
    await buryDeleted()
    const request = { workerId: WORKER, now: clock.now(), limit: 1, types: new Map([['echo', 1]]), afterTenant: null }
    for (const run of await store.jobs.claim({ ...request, ...unreserved })) {
      await store.jobs.finish(run, completed(clock, { callback: callback(clock) }))
    }
    expect(await buryDeleted()).toBe(1)
    expect(await store.deliveries.deadLetters({}, all)).toMatchObject([{ endpointId, reason: 'endpoint_deleted' }])
  })

  test('an event goes with its last delivery, and its key is free', async () => {
    const { store, clock } = subject()
    const laneId = await register()
    const made = await publish(key)
    if (made.kind !== 'created') throw new Error(made.kind)
    expect(await publish(key)).toMatchObject({ kind: 'repeated' })
    const claim = {
      laneId,
      workerId: WORKER,
      now: clock.now(),
      limit: 1,
      leaseMs: 1000,
      exceptTenants: new Set<string>(),
    }
    for (const delivery of (await store.deliveries.claim(claim)).deliveries) {
      await store.deliveries.record(record(clock, delivery))
    }
    expect(await store.deliveries.purge(clock.now(), 10)).toBe(1)
    expect(await publish(key)).toMatchObject({ kind: 'created' })
  })
}
