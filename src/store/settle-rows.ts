import type { Delivery } from '../core/delivery.ts'
import type { Attempt, AttemptRecord, DeadLetter } from './store.ts'

// What an attempt writes, the same in every database.

/** The delivery's columns after an attempt. */
export function settledColumns({ delivery, decision, attempt, now }: AttemptRecord) {
  const failed = decision.next === 'delivered' ? { errorClass: null, error: null } : decision
  const retry = decision.next === 'retry'
  return {
    id: delivery.id,
    claimNo: delivery.claimNo,
    status: retry ? 'pending' : decision.next,
    dueAt: retry ? decision.dueAt : delivery.dueAt,
    finishedAt: retry ? null : now,
    lastStatus: attempt.status,
    errorClass: failed.errorClass,
    error: failed.error,
  }
}

/** The dead letter of a delivery that was given up, null for others. @param firstAttemptAt Finds its oldest attempt on record */
export function deadLetterRow(record: AttemptRecord, firstAttemptAt: () => number | null): DeadLetter | null {
  const { delivery, decision, attempt, now, deadLetterId, fingerprint } = record
  if (decision.next !== 'dead') return null
  return {
    id: deadLetterId,
    tenantId: delivery.tenantId,
    deliveryId: delivery.id,
    eventId: delivery.eventId,
    endpointId: delivery.endpointId,
    reason: decision.reason,
    lastStatus: attempt.status,
    errorClass: decision.errorClass,
    fingerprint,
    attempts: delivery.attempts,
    firstAttemptAt: firstAttemptAt() ?? attempt.startedAt,
    lastAttemptAt: attempt.startedAt,
    diedAt: now,
    replayedAt: null,
    replayedBy: null,
  }
}

/** The record of an attempt whose process died. */
export function lostAttemptRow(delivery: Delivery, now: number): Attempt {
  const startedAt = delivery.claimedAt ?? now
  return {
    deliveryId: delivery.id,
    claimNo: delivery.claimNo,
    number: delivery.attempts,
    outcome: 'lost',
    startedAt,
    durationMs: Math.max(0, now - startedAt),
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

/** Why a delivery ends without another attempt. */
export type GiveUpReason = 'expired' | 'endpoint_deleted'

const GIVEN_UP: Record<GiveUpReason, string> = {
  expired: 'It waited for its lane until its time was over.',
  endpoint_deleted: 'The endpoint was deleted while it waited.',
}

/** The dead letter of a delivery that is given up without another attempt, with the error to be shown. */
export function givenUpRow(
  delivery: Delivery,
  reason: GiveUpReason,
  now: number,
  id: string,
  attempts: { first: number | null; last: number | null } | undefined,
): DeadLetter & { error: string } {
  return {
    id,
    tenantId: delivery.tenantId,
    deliveryId: delivery.id,
    eventId: delivery.eventId,
    endpointId: delivery.endpointId,
    reason,
    lastStatus: delivery.lastStatus,
    errorClass: delivery.lastErrorClass ?? reason,
    fingerprint: reason,
    attempts: delivery.attempts,
    firstAttemptAt: attempts?.first ?? null,
    lastAttemptAt: attempts?.last ?? null,
    diedAt: now,
    replayedAt: null,
    replayedBy: null,
    error: delivery.lastError ?? GIVEN_UP[reason],
  }
}
