import type { LaneResult } from '../../src/core/lane.ts'
import type { Notices } from '../../src/store/notices.ts'
import type { Attempt, AttemptRecord, ClaimedDelivery, JobFinish, NewCallback, NewJob } from '../../src/store/store.ts'
import type { FakeClock } from '../support/clock.ts'

export const TENANT = 'ten_00000000000070000000000000000001'
export const OTHER = 'ten_00000000000070000000000000000002'
export const WORKER = 'wrk_a'

export function newJob(clock: FakeClock, changes: Partial<NewJob> = {}): NewJob {
  const createdAt = clock.now()
  return {
    id: clock.newId('job'),
    tenantId: TENANT,
    type: 'echo',
    priority: 5,
    payload: '{}',
    metadata: null,
    callbackUrl: 'http://receiver.example/hook',
    endpointId: null,
    callbackEvents: 'job.completed',
    callback: { origin: 'http://receiver.example', newEndpointId: clock.newId('ep') },
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    createdAt,
    runAt: createdAt,
    deadlineAt: null,
    timeoutMs: 1000,
    maxAttempts: 3,
    resultTtlMs: null,
    ...changes,
  }
}

export function callback(clock: FakeClock, body = '{"type":"job.completed"}'): NewCallback {
  const createdAt = clock.now()
  return {
    eventId: clock.newId('evt'),
    deliveryId: clock.newId('dlv'),
    type: 'job.completed',
    body,
    createdAt,
    expiresAt: createdAt + 86_400_000,
  }
}

export function completed(clock: FakeClock, changes: Partial<JobFinish> = {}): JobFinish {
  return {
    status: 'completed',
    finishedAt: clock.now(),
    progress: 100,
    message: null,
    result: '{"ok":true}',
    resultFileId: null,
    error: null,
    expiryDueAt: clock.now() + 60_000,
    callback: callback(clock),
    ...changes,
  }
}

export function attempt(delivery: ClaimedDelivery, changes: Partial<Attempt> = {}): Attempt {
  return {
    deliveryId: delivery.id,
    claimNo: delivery.claimNo,
    number: delivery.attempts,
    outcome: 'failed',
    startedAt: delivery.claimedAt ?? 0,
    durationMs: 5,
    phases: null,
    remoteAddress: '192.0.2.1:80',
    requestHeaders: '{}',
    status: 500,
    responseHeaders: '{}',
    responseBody: Buffer.from('no'),
    responseTruncated: 0,
    errorClass: 'http_status',
    error: 'The receiver answered 500.',
    nextAttemptAt: null,
    ...changes,
  }
}

/** What is recorded when the attempt of a delivery succeeded, unless told otherwise. */
export function record(
  clock: FakeClock,
  delivery: ClaimedDelivery,
  changes: Partial<AttemptRecord> = {},
): AttemptRecord {
  const delivered = { outcome: 'delivered', status: 200, errorClass: null, error: null } as const
  return {
    delivery,
    decision: { next: 'delivered' },
    attempt: attempt(delivery, changes.decision ? {} : delivered),
    now: clock.now(),
    deadLetterId: clock.newId('dead'),
    fingerprint: 'http_500',
    lane: null,
    notices: silent,
    ...changes,
  }
}

/** No places are kept for anybody. */
export const unreserved = { reserved: 0, reservedByType: new Map<string, number>(), busyTenants: new Set<string>() }

/** Tells nobody of anything. */
export const silent: Notices = { ofLane: () => [], ofDeath: () => [], ofBacklog: () => [] }

/** What a lane learns of a success, unless told otherwise. */
export function learned(clock: FakeClock, changes: Partial<LaneResult> = {}): LaneResult {
  const nothing = { pauseUntil: null, halve: false, disable: null, grow: false }
  return { success: true, answered: true, ...nothing, claimedAt: clock.now(), ...changes }
}

export const died = {
  decision: {
    next: 'dead',
    reason: 'exhausted',
    errorClass: 'http_status',
    error: 'The receiver answered 500.',
  },
} as const
