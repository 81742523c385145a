import fc from 'fast-check'
import { laneClaim, newRecord, outcome, PLAIN } from '../commands/lanes.ts'
import { pick, which } from '../world.ts'
import { type Crowd, call, type WeightedCall } from './crowd.ts'

/** Mostly the last ones, so that several callers mean the same. */
const recent = fc.oneof({ weight: 3, arbitrary: fc.nat(1) }, which)

export const deliveryCalls: WeightedCall[] = [
  call(10, 'claim a lane', laneClaim, async (crowd, store, { lane, worker, limit }) => {
    const laneId = pick(lanesByLoad(crowd), lane)
    if (laneId === undefined) return
    const request = { laneId, workerId: worker, now: crowd.clock.now(), limit, ...PLAIN }
    const claim = await store.deliveries.claim(request)
    crowd.laneClaims.push(claim)
    crowd.sent.push(...claim.deliveries)
  }),
  call(10, 'record', fc.record({ delivery: recent, outcome }), async (crowd, store, { delivery, outcome }) => {
    const claimed = pick(crowd.sent, delivery)
    if (claimed === undefined) return
    const record = newRecord(crowd, claimed, outcome)
    if (await store.deliveries.record(record)) crowd.recorded.push(record)
  }),
  call(3, 'releaseLost', fc.constantFrom(1, 100), async (crowd, store, limit) => {
    const lost = await store.deliveries.releaseLost(crowd.clock.now(), limit)
    crowd.lostAttempts += lost
  }),
  call(3, 'replay', recent, async (crowd, store, number) => {
    const { clock, sent } = crowd
    const deliveryId = pick(sent, number)?.id
    if (deliveryId === undefined) return
    const order = { deliveryId, tenantId: null, now: clock.now(), expiresAt: clock.now() + 1000, by: 'key' }
    const replayed = await store.deliveries.replay({ ...order, enable: false, audit: null })
    if (replayed.kind === 'replaying' && replayed.fresh) crowd.replayed.push(deliveryId)
  }),
]

/** The busiest last. */
function lanesByLoad({ known }: Crowd): string[] {
  const jobs = Map.groupBy(known.values(), ({ endpointId }) => endpointId)
  const byLoad = [...jobs].sort(([, a], [, b]) => a.length - b.length)
  return byLoad.flatMap(([laneId]) => laneId ?? [])
}
