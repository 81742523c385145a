import type { JsonText } from '../core/job.ts'
import { isoTime, isoTimeOrNull, type Link } from '../core/job-view.ts'
import type { Attempt, DeadLetter, DeliveryView } from '../store/store.ts'

export function deliveryView(delivery: DeliveryView, publicUrl: string) {
  const waiting = delivery.status === 'pending' && !delivery.held
  return {
    id: delivery.id,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    endpoint_id: delivery.endpointId,
    job_id: delivery.jobId,
    url: delivery.url,
    status: delivery.held ? 'held' : delivery.status,
    attempt_count: delivery.attempts,
    replay_count: delivery.replays,
    next_attempt_at: waiting ? isoTime(delivery.dueAt) : null,
    last_status: delivery.lastStatus,
    last_error: errorView(delivery.lastErrorClass, delivery.lastError),
    created_at: isoTime(delivery.createdAt),
    finished_at: isoTimeOrNull(delivery.finishedAt),
    links: deliveryLinks(delivery, publicUrl),
  }
}

export function attemptView(attempt: Attempt) {
  return {
    number: attempt.number,
    outcome: attempt.outcome,
    started_at: isoTime(attempt.startedAt),
    duration_ms: attempt.durationMs,
    phases_ms: parsed(attempt.phases),
    remote_address: attempt.remoteAddress,
    request_headers: parsed(attempt.requestHeaders),
    status: attempt.status,
    response_headers: parsed(attempt.responseHeaders),
    response_body: attempt.responseBody === null ? null : Buffer.from(attempt.responseBody).toString('utf8'),
    response_truncated: attempt.responseTruncated === 1,
    error: errorView(attempt.errorClass, attempt.error),
    next_attempt_at: isoTimeOrNull(attempt.nextAttemptAt),
  }
}

export function deadLetterView(letter: DeadLetter, publicUrl: string) {
  const url = `${publicUrl}/v1/admin/dead-letters/${letter.id}`
  const links: Link[] = [{ href: `${url}/replay`, rel: 'replay', method: 'POST' }]
  return {
    id: letter.id,
    tenant_id: letter.tenantId,
    delivery_id: letter.deliveryId,
    event_id: letter.eventId,
    endpoint_id: letter.endpointId,
    reason: letter.reason,
    last_status: letter.lastStatus,
    error_class: letter.errorClass,
    fingerprint: letter.fingerprint,
    attempts: letter.attempts,
    first_attempt_at: isoTimeOrNull(letter.firstAttemptAt),
    last_attempt_at: isoTimeOrNull(letter.lastAttemptAt),
    died_at: isoTime(letter.diedAt),
    replayed_at: isoTimeOrNull(letter.replayedAt),
    replayed_by: letter.replayedBy,
    links,
  }
}

function errorView(errorClass: string | null, text: string | null) {
  return text === null ? null : { class: errorClass, text }
}

function deliveryLinks(delivery: DeliveryView, publicUrl: string): Link[] {
  const url = `${publicUrl}/v1/deliveries/${delivery.id}`
  const links: Link[] = [{ href: url, rel: 'self', method: 'GET' }]
  if (delivery.finishedAt !== null) links.push({ href: `${url}/replay`, rel: 'replay', method: 'POST' })
  if (delivery.jobId !== null) links.push({ href: `${publicUrl}/v1/jobs/${delivery.jobId}`, rel: 'up', method: 'GET' })
  return links
}

function parsed(json: JsonText | null): unknown {
  return json === null ? null : JSON.parse(json)
}
