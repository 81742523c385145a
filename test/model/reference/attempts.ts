import { afterAttempt } from '../../../src/core/lane.ts'
import type { AttemptRecord, DeliveryStore, Endpoint } from '../../../src/store/store.ts'
import { wipe } from './expiry.ts'
import { changeDelivery, type State } from './state.ts'
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

/** What a lane learns is a rule of its own (core/lane.ts): here only that it is applied, and to registered ones alone in full. */
function after(endpoint: Endpoint, { lane: result, now }: AttemptRecord): Endpoint {
  if (result === null) return endpoint
  const { lane, disabled } = afterAttempt(endpoint, result, endpoint.kind === 'registered', now)
  return { ...endpoint, ...lane, disabledReason: disabled ?? endpoint.disabledReason }
}
