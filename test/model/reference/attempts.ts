import type { AttemptRecord, DeliveryStore } from '../../../src/store/store.ts'
import { wipe } from './expiry.ts'
import { changeDelivery, type Endpoint, type State } from './state.ts'
import type { Verbs } from './verbs.ts'

/** What comes of an attempt. */
export function attempts(state: State): Verbs<Pick<DeliveryStore, 'record' | 'attempts'>> {
  return {
    attempts: (deliveryId) => [...(state.attempts.get(deliveryId) ?? [])],
    record(record) {
      const { decision, attempt } = record
      const delivery = state.deliveries.get(record.delivery.id)
      if (delivery?.status !== 'delivering' || delivery.claimNo !== record.delivery.claimNo) return false
      state.attempts.set(delivery.id, [...(state.attempts.get(delivery.id) ?? []), attempt])
      const failure = decision.next === 'delivered' ? { errorClass: null, error: null } : decision
      changeDelivery(state, delivery, {
        status: decision.next === 'retry' ? 'pending' : decision.next,
        dueAt: decision.next === 'retry' ? decision.dueAt : delivery.dueAt,
        finishedAt: decision.next === 'retry' ? null : record.now,
        lastStatus: attempt.status,
        lastErrorClass: failure.errorClass,
        lastError: failure.error,
        workerId: null,
        claimedAt: null,
        claimedUntil: null,
      })
      bury(state, record)
      // Its job is gone: the bytes were kept only to be sent.
      if (decision.next !== 'retry' && !state.jobs.has(`${delivery.jobId}`)) wipe(state, delivery.eventId)
      const lane = state.endpoints.get(delivery.endpointId)
      if (lane !== undefined) state.endpoints.set(lane.id, after(lane, record))
      return true
    },
  }
}

function bury(state: State, { delivery, decision, attempt, now, deadLetterId, fingerprint }: AttemptRecord): void {
  if (decision.next !== 'dead') return
  const { tenantId, id: deliveryId, eventId, endpointId, attempts } = delivery
  const { reason, errorClass } = decision
  state.letters.set(deadLetterId, {
    id: deadLetterId,
    ...{ tenantId, deliveryId, eventId, endpointId, attempts, reason, errorClass, fingerprint },
    lastStatus: attempt.status,
    firstAttemptAt: Math.min(...(state.attempts.get(deliveryId) ?? []).map(({ startedAt }) => startedAt)),
    lastAttemptAt: attempt.startedAt,
    diedAt: now,
    replayedAt: null,
    replayedBy: null,
  })
}

/** CONTRACT §4, "Outcome of an attempt": only registered endpoints are disabled. */
function after(lane: Endpoint, { lane: effect, growLane, now }: AttemptRecord): Endpoint {
  const changed = { ...lane }
  if (effect?.halve) changed.concurrency = Math.max(1, Math.floor(lane.concurrency / 2))
  else if (growLane) changed.concurrency = Math.min(lane.maxConcurrency, lane.concurrency * 2)
  if (effect != null && effect.pauseUntil !== null) {
    changed.pausedUntil = Math.max(lane.pausedUntil ?? 0, effect.pauseUntil)
  }
  if (effect?.disable && lane.kind === 'registered') changed.disabledAt ??= now
  return changed
}
