import { expect } from 'vitest'
import type { Attempt, DeliveryView } from '../../../src/store/store.ts'
import type { Crowd } from './crowd.ts'

const all = { limit: 10_000, before: null }

/** No more is in flight on a lane than it allowed when the last of it was claimed. */
export async function expectLanesKept({ stores: [store], laneClaims }: Crowd): Promise<void> {
  const flying = await store.deliveries.list(null, { status: 'delivering' }, all)
  const byLane = Map.groupBy(flying, ({ endpointId }) => endpointId)
  for (const [laneId, deliveries] of byLane) {
    const allowed = laneClaims.flatMap(({ lane }) => (lane?.id === laneId ? lane.concurrency : []))
    expect(deliveries.length).toBeLessThanOrEqual(Math.max(...allowed))
  }
}

/** What must hold of deliveries, in whatever order the calls came through. */
export async function expectDeliveriesSound(crowd: Crowd): Promise<void> {
  const [store] = crowd.stores
  const deliveries = await store.deliveries.list(null, {}, all)
  const letters = await store.deliveries.deadLetters({}, all)
  expectCallbacks(crowd, deliveries)
  let lost = 0
  for (const delivery of deliveries) {
    const attempts = await store.deliveries.attempts(delivery.id)
    lost += attempts.filter(({ outcome }) => outcome === 'lost').length
    expectAttempts(crowd, delivery, attempts)
    const deaths = crowd.recorded.filter(
      ({ decision, delivery: { id } }) => id === delivery.id && decision.next === 'dead',
    )
    const own = letters.filter(({ deliveryId }) => deliveryId === delivery.id)
    expect(own.map(({ id }) => id).sort()).toEqual(deaths.map(({ deadLetterId }) => deadLetterId).sort())
    expect(delivery.replays).toBe(crowd.replayed.filter((id) => id === delivery.id).length)
  }
  expect(lost).toBe(crowd.lostAttempts)
}

/** Each event that somebody was told to be stored has its delivery, and nobody else's has. */
function expectCallbacks({ called }: Crowd, deliveries: readonly DeliveryView[]): void {
  const told = called.map(({ deliveryId }) => deliveryId)
  const byExpiry = deliveries.filter(({ eventType }) => eventType.startsWith('job.expir'))
  const others = deliveries.filter((delivery) => !byExpiry.includes(delivery))
  expect(others.map(({ id }) => id).sort()).toEqual(told.sort())
  const expired = byExpiry.filter(({ eventType }) => eventType === 'job.expired').map(({ jobId }) => jobId)
  expect(new Set(expired).size).toBe(expired.length)
}

function expectAttempts(
  { sent, recorded, unknownDeliveries }: Crowd,
  delivery: DeliveryView,
  attempts: readonly Attempt[],
): void {
  const own = ({ id }: { id: string }): boolean => id === delivery.id
  const claims = sent.filter(own).map(({ claimNo }) => claimNo)
  expect(claims.sort()).toEqual(Array.from({ length: delivery.claimNo }, (_, i) => i + 1))
  const records = recorded.filter((record) => own(record.delivery))
  const ended = attempts.filter(({ outcome }) => outcome !== 'lost')
  expect(ended.map(({ claimNo }) => claimNo).sort()).toEqual(records.map(({ attempt }) => attempt.claimNo).sort())
  expect(new Set(attempts.map(({ claimNo }) => claimNo)).size).toBe(attempts.length)
  const unknown = unknownDeliveries.filter((id) => id === delivery.id).length
  const under = delivery.status === 'delivering' ? 1 : 0
  // Every claim has come to an attempt, was put back as not known, or is under way.
  expect(delivery.claimNo).toBe(attempts.length + unknown + under)
  expect((delivery.workerId !== null) === (delivery.status === 'delivering')).toBe(true)
  expect((delivery.finishedAt !== null) === ['delivered', 'dead'].includes(delivery.status)).toBe(true)
  if (delivery.replays === 0) expect(delivery.attempts).toBe(ended.length + under)
}

/** What was erased is gone: the bytes of events that are not to be sent any more cannot be had by a replay. */
export async function expectErased({ stores: [store], erased, clock }: Crowd): Promise<void> {
  for (const jobId of erased) {
    for (const { id, finishedAt } of await store.deliveries.list(null, { jobId }, all)) {
      if (finishedAt === null) continue
      const order = { deliveryId: id, tenantId: null, now: clock.now(), expiresAt: clock.now(), by: 'key' }
      expect(await store.deliveries.replay({ ...order, enable: true, audit: null })).toEqual({
        kind: 'payload_expired',
      })
    }
  }
}
