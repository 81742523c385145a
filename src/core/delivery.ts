import type { LaneResult } from './lane.ts'
import { DELIVERY_JITTER, type RetryPolicy, retryAfterMs, waitAfter } from './retry.ts'

/** pending → delivering → delivered | pending | dead; waiting → pending, behind others of its key where the order is kept. */
export type DeliveryStatus = 'waiting' | 'pending' | 'delivering' | 'delivered' | 'dead'

/** Why a delivery was given up (CONTRACT §4). */
export type DeadReason =
  | 'exhausted'
  | 'gone'
  | 'rejected'
  | 'blocked_address'
  | 'expired'
  | 'endpoint_deleted'
  | 'invalid'

/** Why an attempt failed without, or in spite of, an answer. */
export type ErrorClass =
  | 'timeout'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'reset'
  | 'protocol'
  | 'blocked_address'
  | 'invalid_url'
  | 'signing'
  | 'http_status'
  | 'redirect'
  | 'lost'
  | 'expired'
  | 'endpoint_deleted'

/** One event on its way to one endpoint, as stored. Times are ms since 1970. */
export interface Delivery {
  id: string
  tenantId: string
  endpointId: string
  eventId: string
  eventType: string
  jobId: string | null
  url: string
  status: DeliveryStatus
  /** Where the endpoint keeps the order of a key: the key, and the event's place. */
  orderKey: string | null
  orderSeq: number | null
  dueAt: number
  /** Attempts begun on the present budget, without those lost with their process. */
  attempts: number
  /** Grows with every claim; numbers the attempts over all replays and fences late records. */
  claimNo: number
  workerId: string | null
  /** While delivering: when the claim began. */
  claimedAt: number | null
  /** While delivering: after this the claim is nobody's. */
  claimedUntil: number | null
  /** How often it was replayed; above 0 its attempts carry `webhook-replay`. */
  replays: number
  lastStatus: number | null
  lastErrorClass: ErrorClass | null
  lastError: string | null
  createdAt: number
  expiresAt: number
  finishedAt: number | null
}

/** How long each part of an attempt took, in ms; null for parts it did not reach or did not need. */
export interface Phases {
  dns: number | null
  connect: number | null
  tls: number | null
  firstByte: number | null
  total: number
}

/** What came of sending one request. An HTTP failure is a value, not an exception. */
export type Outcome =
  | { kind: 'answer'; status: number; headers: Record<string, string>; note: string | null }
  | { kind: 'error'; class: ErrorClass; text: string }

/** What one attempt means for its delivery. */
export type Decision =
  | { next: 'delivered' }
  | { next: 'retry'; dueAt: number; errorClass: ErrorClass; error: string }
  | { next: 'dead'; reason: DeadReason; errorClass: ErrorClass; error: string }

const OVERLOADED = new Set([429, 502, 503, 504])
const PAUSING = new Set([429, 503])

/** The time to wait before the next attempt counts from its end, and is jittered. */
export interface DeliveryPolicy extends RetryPolicy {}

export function deliveryPolicy(waitsMs: readonly number[]): DeliveryPolicy {
  return { waitsMs, jitter: DELIVERY_JITTER }
}

/** CONTRACT §4, "Outcome of an attempt": what becomes of the delivery. `attempts` includes this one. */
export function decideNext(
  delivery: Pick<Delivery, 'attempts'>,
  outcome: Outcome,
  policy: DeliveryPolicy,
  now: number,
  random: number,
): Decision {
  if (outcome.kind === 'answer' && isSuccess(outcome.status)) return { next: 'delivered' }
  const failure = describeFailure(outcome)
  const reason = finalReason(outcome)
  if (reason !== null) return { next: 'dead', reason, ...failure }
  const wait = waitAfter(policy, delivery.attempts, random)
  if (wait === null) return { next: 'dead', reason: 'exhausted', ...failure }
  return { next: 'retry', dueAt: now + Math.max(wait, askedWait(outcome, now) ?? 0), ...failure }
}

/** Nobody was asked: it tells nothing of the receiver. */
const NOT_SENT = new Set<ErrorClass>(['blocked_address', 'invalid_url', 'signing'])

/** CONTRACT §4, "Outcome of an attempt": what the lane learns of it. `grow` is the lane's own to say. */
export function laneResult(outcome: Outcome, claimedAt: number, now: number): LaneResult {
  const nothing = { success: false, pauseUntil: null, halve: false, disable: null, grow: false, claimedAt }
  if (outcome.kind === 'error') {
    const answered = NOT_SENT.has(outcome.class) ? null : false
    return { ...nothing, answered, halve: outcome.class === 'timeout' }
  }
  const wait = askedWait(outcome, now)
  const asked = outcome.headers['webhook-delivery'] === 'disable'
  return {
    ...nothing,
    success: isSuccess(outcome.status),
    answered: true,
    pauseUntil: wait === null ? null : now + wait,
    halve: OVERLOADED.has(outcome.status),
    disable: outcome.status === 410 ? 'gone' : asked ? 'asked' : null,
  }
}

/** Standard Webhooks: 2xx and nothing else. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299
}

function finalReason(outcome: Outcome): DeadReason | null {
  if (outcome.kind === 'error') {
    if (outcome.class === 'blocked_address') return 'blocked_address'
    return outcome.class === 'invalid_url' ? 'invalid' : null
  }
  if (outcome.status === 410) return 'gone'
  const asked = outcome.headers['webhook-delivery']
  return asked === 'abort' || asked === 'disable' ? 'rejected' : null
}

function askedWait(outcome: Outcome, now: number): number | null {
  if (outcome.kind !== 'answer' || !PAUSING.has(outcome.status)) return null
  return retryAfterMs(outcome.headers['retry-after'], now)
}

function describeFailure(outcome: Outcome): { errorClass: ErrorClass; error: string } {
  if (outcome.kind === 'error') return { errorClass: outcome.class, error: outcome.text }
  if (outcome.status >= 300 && outcome.status <= 399) {
    return {
      errorClass: 'redirect',
      error: `The receiver answered ${outcome.status}; redirects are never followed. Register the final URL.`,
    }
  }
  return { errorClass: 'http_status', error: `The receiver answered ${outcome.status}.` }
}

/** Failures with one cause share a fingerprint, so that they can be looked at and replayed together. */
export function fingerprint(decision: { errorClass: ErrorClass; error: string }, status: number | null): string {
  if (status !== null) return `http_${status}`
  const code = /\b(E[A-Z_]{3,}|[A-Z]{2,}_[A-Z_]{3,})\b/.exec(decision.error)?.[1]
  return code ? `${decision.errorClass}:${code}` : decision.errorClass
}
