import type { Delivery } from '../core/delivery.ts'
import type { Job } from '../core/job.ts'
import { DEFAULT_MAX_CONCURRENCY, INITIAL_CONCURRENCY } from '../core/lane.ts'
import type { EndpointKind, NewCallback, NewJob } from './store.ts'

// How rows begin, the same in every database.

export function newJobRow({ callback: _, ...job }: NewJob, endpointId: string | null): Job {
  return {
    ...job,
    endpointId,
    status: 'pending',
    queue: job.runAt > job.createdAt ? 'scheduled' : 'ready',
    callbackDeliveryId: null,
    dueAt: job.runAt,
    attempt: 0,
    lostRuns: 0,
    claimNo: 0,
    workerId: null,
    progress: 0,
    message: null,
    startedAt: null,
    finishedAt: null,
    result: null,
    resultFileId: null,
    error: null,
    suspendedUntil: null,
    expiryDueAt: null,
    expiringAt: null,
    expiredAt: null,
    version: 0,
  }
}

/** Files that a payload refers to by `{"file_id": …}`, anywhere in it. */
export function filesNamedIn(payload: string): string[] {
  return [...payload.matchAll(/"file_id":"(file_[0-9a-f]{32})"/g)].map(([, id]) => id as string)
}

/** The endpoint of callbacks to one origin. */
export function impliedEndpointRow(job: NewJob, callback: NonNullable<NewJob['callback']>) {
  return {
    id: callback.newEndpointId,
    tenantId: job.tenantId,
    kind: 'implied' satisfies EndpointKind,
    origin: callback.origin,
    concurrency: INITIAL_CONCURRENCY,
    maxConcurrency: DEFAULT_MAX_CONCURRENCY,
    pausedUntil: null,
    disabledAt: null,
    createdAt: job.createdAt,
  }
}

/** The event that tells of a job. */
export function callbackEventRow(job: Job, callback: NewCallback) {
  return {
    id: callback.eventId,
    tenantId: job.tenantId,
    type: callback.type,
    jobId: job.id,
    body: callback.body,
    traceparent: job.traceparent,
    createdAt: callback.createdAt,
  }
}

/** … and its delivery, due at once. */
export function callbackDeliveryRow(job: Job, callback: NewCallback): Delivery {
  return {
    id: callback.deliveryId,
    tenantId: job.tenantId,
    endpointId: job.endpointId as string,
    eventId: callback.eventId,
    eventType: callback.type,
    jobId: job.id,
    url: job.callbackUrl as string,
    status: 'pending',
    dueAt: callback.createdAt,
    attempts: 0,
    claimNo: 0,
    workerId: null,
    claimedAt: null,
    claimedUntil: null,
    replays: 0,
    lastStatus: null,
    lastErrorClass: null,
    lastError: null,
    createdAt: callback.createdAt,
    expiresAt: callback.expiresAt,
    finishedAt: null,
  }
}
