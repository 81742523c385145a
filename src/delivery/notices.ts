import type { Clock } from '../clock.ts'
import { isOperational, type OperationalEvent } from '../core/event-types.ts'
import { isoTime, isoTimeOrNull, jsonWith } from '../core/job-view.ts'
import { traceFrom } from '../core/trace.ts'
import type { Notices } from '../store/notices.ts'
import type { NewEvent } from '../store/store.ts'

/** Operational events (CONTRACT §4): they go to the endpoints of the tenant that subscribe to them. */
export function noticeMaker(clock: Clock, deliveryTtlMs: number): Notices {
  const event = (type: OperationalEvent, tenantId: string, data: object, now: number): NewEvent => ({
    id: clock.newId('evt'),
    tenantId,
    type,
    jobId: null,
    key: null,
    body: jsonWith({ type, timestamp: isoTime(now) }, { data: JSON.stringify(data) }),
    traceparent: traceFrom(undefined, clock.newHex),
    createdAt: now,
    expiresAt: now + deliveryTtlMs,
    newDeliveryId: () => clock.newId('dlv'),
  })
  return {
    ofLane({ id, tenantId, url, origin, failures, lastSuccessAt }, { recovered, disabled }, eventType, now) {
      if (isOperational(eventType)) return []
      const about = { endpoint_id: id, url: url ?? origin, last_success_at: isoTimeOrNull(lastSuccessAt) }
      return [
        ...(disabled === null
          ? []
          : [event('endpoint.disabled', tenantId, { ...about, reason: disabled, failures }, now)]),
        ...(recovered ? [event('endpoint.recovered', tenantId, about, now)] : []),
      ]
    },
    ofDeath(letter, eventType) {
      if (isOperational(eventType)) return []
      const data = {
        dead_letter_id: letter.id,
        delivery_id: letter.deliveryId,
        event_id: letter.eventId,
        event_type: eventType,
        endpoint_id: letter.endpointId,
        reason: letter.reason,
        attempts: letter.attempts,
        last_status: letter.lastStatus,
        error_class: letter.errorClass,
      }
      return [event('delivery.dead', letter.tenantId, data, letter.diedAt)]
    },
    ofBacklog({ id, tenantId, url, origin, probeAt }, { pending, oldestDueAt }, eventType, now) {
      if (isOperational(eventType)) return []
      const breaker = probeAt === null ? 'closed' : 'open'
      const data = { endpoint_id: id, url: url ?? origin, pending, oldest_due_at: isoTime(oldestDueAt), breaker }
      return [event('backlog.high', tenantId, data, now)]
    },
  }
}
