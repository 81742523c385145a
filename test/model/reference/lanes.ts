import type { Delivery } from '../../../src/core/delivery.ts'
import { charged, claimable, rateRoomAt } from '../../../src/core/lane.ts'
import type { Attempt, DeliveryStore, Endpoint } from '../../../src/store/store.ts'
import { changeDelivery, type State } from './state.ts'
import type { Verbs } from './verbs.ts'

type Lanes = Verbs<Pick<DeliveryStore, 'dueLanes' | 'claim' | 'releaseUnknown'>> & {
  /** What `releaseLost` chooses among. */
  lost(now: number): Delivery[]
  releaseThese(ids: readonly string[], now: number): void
}

/** How deliveries get from their lane to a worker, and back. */
export function lanes(state: State): Lanes {
  const deliveriesThat = (are: (delivery: Delivery) => boolean) => [...state.deliveries.values()].filter(are)
  const due = (laneId: string, now: number) =>
    deliveriesThat((one) => one.endpointId === laneId && one.status === 'pending' && one.dueAt <= now)
  const inFlight = (laneId: string) =>
    deliveriesThat((one) => one.endpointId === laneId && one.status === 'delivering').length
  return {
    dueLanes: (now) =>
      [...state.endpoints.values()]
        .filter((lane) => isOpen(lane, now) && due(lane.id, now).length > 0)
        .map(({ id }) => id),
    claim({ laneId, workerId, now, limit, leaseMs, exceptTenants }) {
      const lane = state.endpoints.get(laneId)
      if (lane === undefined) return { lane: null, deliveries: [], more: false, roomAt: null }
      const waiting = due(laneId, now).sort((a, b) => a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1))
      const idle = !state.workers.has(workerId) || exceptTenants.has(lane.tenantId)
      const places = idle ? 0 : claimable(lane, inFlight(laneId), limit, now)
      const deliveries = waiting.slice(0, places).map((delivery) => {
        const { body, traceparent } = state.events.get(delivery.eventId) as { body: string; traceparent: string }
        const counted = { attempts: delivery.attempts + 1, claimNo: delivery.claimNo + 1 }
        const claim = { workerId, claimedAt: now, claimedUntil: now + leaseMs }
        return { ...changeDelivery(state, delivery, { status: 'delivering', ...counted, ...claim }), body, traceparent }
      })
      const after = { ...lane, rateTat: charged(lane, deliveries.length, now) }
      state.endpoints.set(laneId, after)
      const more = waiting.length > places
      return { lane, deliveries, more, roomAt: more ? rateRoomAt(after, now) : null }
    },
    lost: (now) =>
      deliveriesThat(
        (one) =>
          one.status === 'delivering' && (now > Number(one.claimedUntil) || !state.workers.has(`${one.workerId}`)),
      ),
    releaseThese(ids, now) {
      for (const id of ids) {
        const delivery = state.deliveries.get(id) as Delivery
        state.attempts.set(id, [...(state.attempts.get(id) ?? []), lostAttempt(delivery, now)])
        makeDue(state, delivery, { dueAt: now })
      }
    },
    releaseUnknown(workerId, known) {
      const unknown = deliveriesThat(
        (one) => one.status === 'delivering' && one.workerId === workerId && !known.includes(one.id),
      )
      for (const delivery of unknown) makeDue(state, delivery, {})
      return unknown.length
    },
  }
}

/** Something may be sent on it, as far as time goes. */
function isOpen({ disabledAt, pausedUntil, probeAt }: Endpoint, now: number): boolean {
  return disabledAt === null && (pausedUntil ?? now) <= now && (probeAt ?? now) <= now
}

/** The attempt that was under way does not count. */
function makeDue(state: State, delivery: Delivery, changes: Partial<Delivery>): void {
  const free = { workerId: null, claimedAt: null, claimedUntil: null }
  changeDelivery(state, delivery, { status: 'pending', attempts: delivery.attempts - 1, ...free, ...changes })
}

function lostAttempt({ id, claimNo, attempts, claimedAt }: Delivery, now: number): Attempt {
  return {
    deliveryId: id,
    claimNo,
    number: attempts,
    outcome: 'lost',
    startedAt: Number(claimedAt),
    durationMs: now - Number(claimedAt),
    phases: null,
    remoteAddress: null,
    requestHeaders: null,
    status: null,
    responseHeaders: null,
    responseBody: null,
    responseTruncated: 0,
    errorClass: 'lost',
    error: 'The process that made this attempt died; what the receiver answered is not known.',
    nextAttemptAt: now,
  }
}
