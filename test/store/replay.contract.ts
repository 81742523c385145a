import { expect, test } from 'vitest'
import type { ClaimedDelivery, ReplayRequest } from '../../src/store/store.ts'
import { addDeadLetters, addEndpoint } from '../support/dead-letters.ts'
import { completed, died, newJob, OTHER, record, silent, TENANT, unreserved, WORKER } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

const all = { limit: 50, before: null }

/** What every store must do with replays. */
export function replayContract(subject: Subject): void {
  const claim = async (): Promise<ClaimedDelivery | undefined> => {
    const { store, clock } = subject()
    const [laneId] = await store.deliveries.dueLanes(clock.now())
    const request = {
      laneId: laneId ?? '',
      workerId: WORKER,
      now: clock.now(),
      limit: 1,
      leaseMs: 25_000,
      exceptTenants: new Set<string>(),
    }
    return (await store.deliveries.claim(request)).deliveries[0]
  }
  const pendingDelivery = async (): Promise<string> => {
    const { store, clock } = subject()
    await store.jobs.accept(newJob(clock), null)
    const types = new Map([['echo', 1]])
    const request = { workerId: WORKER, now: clock.now(), limit: 1, types, afterTenant: null, ...unreserved }
    const [run] = await store.jobs.claim(request)
    const job = run && (await store.jobs.finish(run, completed(clock)))
    return job?.callbackDeliveryId ?? ''
  }
  const attempted = async (changes: Parameters<typeof record>[2]): Promise<ClaimedDelivery> => {
    const { store, clock } = subject()
    const delivery = (await claim()) as ClaimedDelivery
    await store.deliveries.record(record(clock, delivery, changes))
    return delivery
  }
  const request = (deliveryId: string, changes: Partial<ReplayRequest> = {}): ReplayRequest => {
    const { clock } = subject()
    const base = { now: clock.now(), expiresAt: clock.now() + 1000, by: 'key_1', enable: false, audit: null }
    return { deliveryId, tenantId: null, ...base, ...changes }
  }

  test('a dead delivery is sent again: same event, fresh budget, history kept', async () => {
    const { store } = subject()
    await pendingDelivery()
    const dead = await attempted(died)
    const replayed = await store.deliveries.replay(request(dead.id))
    expect(replayed).toMatchObject({ kind: 'replaying', fresh: true, delivery: { status: 'pending', attempts: 0 } })
    const again = await claim()
    expect(again).toMatchObject({ id: dead.id, eventId: dead.eventId, attempts: 1, replays: 1, claimNo: 2 })
    expect(again?.body).toBe(dead.body)
    expect(await store.deliveries.attempts(dead.id)).toHaveLength(1)
  })

  test('the dead letter says when and by whom, and a new death is a new one', async () => {
    const { store, clock } = subject()
    await pendingDelivery()
    const dead = await attempted(died)
    await store.deliveries.replay(request(dead.id))
    const [letter] = await store.deliveries.deadLetters({}, all)
    expect(letter).toMatchObject({ replayedAt: clock.now(), replayedBy: 'key_1' })
    await attempted(died)
    const letters = await store.deliveries.deadLetters({}, all)
    expect(letters.map(({ replayedAt }) => replayedAt)).toEqual([null, clock.now()])
  })

  test('while a replay runs, asking again changes nothing', async () => {
    const { store } = subject()
    await pendingDelivery()
    const dead = await attempted(died)
    await store.deliveries.replay(request(dead.id))
    expect(await store.deliveries.replay(request(dead.id))).toMatchObject({ kind: 'replaying', fresh: false })
    await claim()
    const during = await store.deliveries.replay(request(dead.id))
    expect(during).toMatchObject({ kind: 'replaying', fresh: false, delivery: { status: 'delivering', replays: 1 } })
  })

  test('a delivered one may be replayed, one that is still to be sent may not', async () => {
    const { store } = subject()
    const id = await pendingDelivery()
    expect(await store.deliveries.replay(request(id))).toEqual({ kind: 'pending' })
    await attempted({})
    expect(await store.deliveries.replay(request(id))).toMatchObject({ kind: 'replaying', fresh: true })
  })

  test('a replay answers with the delivery as it can be read then', async () => {
    const { store } = subject()
    await pendingDelivery()
    const dead = await attempted(died)
    const replayed = await store.deliveries.replay(request(dead.id))
    const delivery = await store.deliveries.get(TENANT, dead.id)
    expect(replayed).toStrictEqual({ kind: 'replaying', fresh: true, delivery })
  })

  test("another tenant's delivery is not found", async () => {
    const { store } = subject()
    await pendingDelivery()
    const dead = await attempted(died)
    expect(await store.deliveries.replay(request(dead.id, { tenantId: OTHER }))).toEqual({ kind: 'not_found' })
    expect(await store.deliveries.replay(request('dlv_none'))).toEqual({ kind: 'not_found' })
    expect(await store.deliveries.get(TENANT, dead.id)).toMatchObject({ status: 'dead' })
  })

  test('one that waits behind another of its key may not be replayed: it is going to be sent', async () => {
    const { store, clock } = subject()
    await addEndpoint(store, clock, TENANT, 'http://receiver.example/', { ordering: 'fifo' })
    const ids: string[] = []
    for (let n = 0; n < 2; n++) {
      const event = { id: clock.newId('evt'), tenantId: TENANT, type: 'order.paid', jobId: null, key: 'k' }
      const rest = {
        body: '{}',
        traceparent: newJob(clock).traceparent,
        createdAt: clock.now(),
        expiresAt: clock.now() + 1000,
      }
      const newDeliveryId = () => {
        ids.push(clock.newId('dlv'))
        return ids.at(-1) as string
      }
      await store.events.accept({ ...event, ...rest, newDeliveryId }, null)
    }
    expect(await store.deliveries.get(TENANT, ids[1] ?? '')).toMatchObject({ status: 'waiting' })
    expect(await store.deliveries.replay(request(ids[1] ?? ''))).toEqual({ kind: 'pending' })
  })

  test('nothing is sent again to an endpoint that was deleted, however long ago', async () => {
    const { store, clock } = subject()
    const lane = await addEndpoint(store, clock, TENANT, 'http://receiver.example/')
    await addDeadLetters(store, clock, TENANT, 1)
    const [letter] = await store.deliveries.deadLetters({}, all)
    const asked = request(letter?.deliveryId ?? '', { enable: true })
    await store.endpoints.remove(TENANT, lane, clock.now())
    expect(await store.deliveries.replay(asked)).toEqual({ kind: 'endpoint_deleted' })
    const burial = { now: clock.now(), limit: 10, newId: () => clock.newId('dead'), notices: silent }
    await store.deliveries.buryDeleted(burial)
    expect(await store.deliveries.replay(asked)).toEqual({ kind: 'endpoint_deleted' })
  })
}
