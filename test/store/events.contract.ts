import { expect, test } from 'vitest'
import type { NewEvent } from '../../src/store/store.ts'
import { callback, completed, newJob, OTHER, record, TENANT, unreserved, WORKER } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

/** What every store must do with events that are pulled. */
export function eventsContract(subject: Subject): void {
  const newEvent = (changes: Partial<NewEvent> = {}): NewEvent => {
    const { clock } = subject()
    const createdAt = clock.now()
    return {
      id: clock.newId('evt'),
      tenantId: TENANT,
      type: 'order.paid',
      jobId: null,
      key: null,
      body: `{"type":"order.paid","data":"ü"}`,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      createdAt,
      expiresAt: createdAt + 86_400_000,
      newDeliveryId: () => clock.newId('dlv'),
      ...changes,
    }
  }
  /** Until all can be shown: on a shared server, other tests' transactions may be in the way. */
  const settled = () =>
    expect
      .poll(async () => (await subject().store.events.after(TENANT, null, 100)).unsettled, { timeout: 10_000 })
      .toBe(false)
  const add = async (changes: Partial<NewEvent> = {}): Promise<string> => {
    const event = newEvent(changes)
    expect(await subject().store.events.accept(event, null)).toMatchObject({ kind: 'created' })
    await settled()
    return event.id
  }
  const addMany = async (count: number): Promise<string[]> => {
    const ids: string[] = []
    for (let n = 0; n < count; n++) ids.push(await add())
    return ids
  }
  const idsAfter = async (after: string | null, limit = 100, tenantId = TENANT) =>
    (await subject().store.events.after(tenantId, after, limit)).places.map(({ id }) => id)

  test('events are read in the order they were stored, page by page, and from behind any of them', async () => {
    const ids = await addMany(5)
    expect(await idsAfter(null, 2)).toEqual(ids.slice(0, 2))
    expect(await idsAfter(ids[1] as string, 2)).toEqual(ids.slice(2, 4))
    expect(await idsAfter(ids[3] as string, 2)).toEqual(ids.slice(4))
    expect(await idsAfter(ids[4] as string)).toEqual([])
  })

  test('an event is found by its id, whoever asks', async () => {
    const { store } = subject()
    const id = await add({ tenantId: OTHER, key: 'k' })
    expect(await store.events.find(id)).toMatchObject({ id, tenantId: OTHER, type: 'order.paid', key: 'k', fanOut: 0 })
    expect(await store.events.find('evt_none')).toBeNull()
  })

  test('an event is read with its type and the bytes of its body', async () => {
    const { store } = subject()
    const id = await add()
    const { places, unsettled } = await store.events.after(TENANT, null, 10)
    expect(places).toStrictEqual([{ id, type: 'order.paid', bytes: 33 }])
    expect(unsettled).toBe(false)
    expect(await store.events.bodies(TENANT, [id])).toEqual(new Map([[id, '{"type":"order.paid","data":"ü"}']]))
  })

  test('job events are among them, in their place', async () => {
    const { store, clock } = subject()
    const before = await add()
    await store.jobs.accept(newJob(clock), null)
    const types = new Map([['echo', 1]])
    const request = { workerId: WORKER, now: clock.now(), limit: 1, types, afterTenant: null, ...unreserved }
    const [job] = await store.jobs.claim(request)
    if (job === undefined) throw new Error('nothing to claim')
    const end = completed(clock, { callback: callback(clock) })
    await store.jobs.finish(job, end)
    const after = await add()
    expect(await idsAfter(null)).toEqual([before, end.callback?.eventId, after])
  })

  test("another tenant's events are not among them, and its cursor is none", async () => {
    const { store } = subject()
    const own = await add()
    const [foreign, next] = [await add({ tenantId: OTHER }), await add({ tenantId: OTHER })]
    // Later than those.
    const last = await add()
    expect(await idsAfter(null)).toEqual([own, last])
    expect(await idsAfter(foreign)).toEqual([own, last])
    expect(await idsAfter(foreign, 10, OTHER)).toEqual([next])
    expect((await store.events.bodies(TENANT, [foreign])).size).toBe(0)
    expect(await store.events.latest(TENANT)).toBe(last)
  })

  test('behind an event that is not there any more everything is read again, and nothing is left out', async () => {
    const ids = await addMany(2)
    expect(await idsAfter(`evt_${'0'.repeat(32)}`)).toEqual(ids)
  })

  test('the last one is known, and nothing is behind it', async () => {
    const { store } = subject()
    expect(await store.events.latest(TENANT)).toBeNull()
    const ids = await addMany(3)
    const latest = await store.events.latest(TENANT)
    expect(latest).toBe(ids[2])
    expect(await idsAfter(latest)).toEqual([])
  })

  test('an erased event has no bytes and no body', async () => {
    const { store, clock } = subject()
    await store.jobs.accept(newJob(clock), null)
    const types = new Map([['echo', 1]])
    const request = { workerId: WORKER, now: clock.now(), limit: 1, types, afterTenant: null, ...unreserved }
    const [job] = await store.jobs.claim(request)
    if (job === undefined) throw new Error('nothing to claim')
    await store.jobs.finish(job, completed(clock))
    const [laneId = ''] = await store.deliveries.dueLanes(clock.now())
    const claim = {
      laneId,
      workerId: WORKER,
      now: clock.now(),
      leaseMs: 1000,
      limit: 1,
      exceptTenants: new Set<string>(),
    }
    const [delivery] = (await store.deliveries.claim(claim)).deliveries
    if (delivery === undefined) throw new Error('nothing to deliver')
    await store.deliveries.record(record(clock, delivery))
    await store.jobs.erase(TENANT, job.id)
    await settled()
    const { places } = await store.events.after(TENANT, null, 10)
    expect(places).toMatchObject([{ id: delivery.eventId, bytes: 0 }])
    expect((await store.events.bodies(TENANT, [delivery.eventId])).size).toBe(0)
  })

  test('those that were sent to nobody are removed by their age, with their keys', async () => {
    const { store, clock } = subject()
    const key = { key: 'k', fingerprint: 'f' }
    await store.events.accept(newEvent(), key)
    const old = await addMany(2)
    clock.advance(1000)
    const young = await add()
    expect(await store.events.purge(clock.now() - 1, 2)).toBe(2)
    expect(await store.events.purge(clock.now() - 1, 2)).toBe(1)
    expect(await store.events.purge(clock.now() - 1, 2)).toBe(0)
    expect(await idsAfter(null)).toEqual([young])
    expect(await idsAfter(old[1] as string)).toEqual([young])
    expect(await store.events.accept(newEvent(), key)).toMatchObject({ kind: 'created' })
  })
}
