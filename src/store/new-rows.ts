import type { Delivery } from '../core/delivery.ts'
import type { Job } from '../core/job.ts'
import { newLane } from '../core/lane.ts'
import type { Endpoint, EventRow, NewCallback, NewJob, Tenant } from './store.ts'

// How rows begin, the same in every database.

/**
 * @param impliedId The implied endpoint of its callback URL
 * @param workerId Has a place for it: then it is as if claimed already
 */
export function newJobRow(
  { callback: _, ...job }: NewJob,
  impliedId: string | null,
  workerId: string | null = null,
): Job {
  const due = job.runAt <= job.createdAt
  const runs = due && workerId !== null
  return {
    ...job,
    ...(runs ? firstRun(workerId, job.createdAt) : { ...NOT_RUN, queue: due ? 'ready' : 'scheduled' }),
    endpointId: job.endpointId ?? impliedId,
    callbackDeliveryId: null,
    dueAt: job.runAt,
    lostRuns: 0,
    progress: 0,
    message: null,
    finishedAt: null,
    result: null,
    resultFileId: null,
    error: null,
    suspendedUntil: null,
    expiryDueAt: null,
    expiringAt: null,
    expiredAt: null,
  }
}

type RunState = Pick<Job, 'status' | 'queue' | 'workerId' | 'attempt' | 'claimNo' | 'startedAt' | 'version'>

const NOT_RUN = { status: 'pending', workerId: null, attempt: 0, claimNo: 0, startedAt: null, version: 0 } as const

/** As a claim makes it. */
function firstRun(workerId: string, startedAt: number): RunState {
  return { status: 'processing', queue: null, workerId, attempt: 1, claimNo: 1, startedAt, version: 1 }
}

/** Files that a payload refers to by `{"file_id": …}`, anywhere in it. */
export function filesNamedIn(payload: string): string[] {
  return [...payload.matchAll(/"file_id":"(file_[0-9a-f]{32})"/g)].map(([, id]) => id as string)
}

/** An endpoint's row with nothing set but where it begins. */
export function newEndpointRow(
  endpoint: Pick<Endpoint, 'id' | 'tenantId' | 'kind' | 'createdAt'> & Partial<Endpoint>,
): Endpoint {
  return {
    ...newLane(),
    origin: null,
    url: null,
    description: null,
    eventTypes: '[]',
    headers: null,
    metadata: null,
    ordering: 'none',
    retrySchedule: null,
    signingSecret: null,
    ed25519: 0,
    oldSecrets: '[]',
    disabledReason: null,
    enabledAt: null,
    deletedAt: null,
    backlogToldAt: null,
    updatedAt: null,
    ...endpoint,
  }
}

/** The endpoint of callbacks to one origin. */
export function impliedEndpointRow(
  job: NewJob,
  { newEndpointId: id, origin }: NonNullable<NewJob['callback']>,
): Endpoint {
  return newEndpointRow({ id, tenantId: job.tenantId, kind: 'implied', origin, createdAt: job.createdAt })
}

/** The event that tells of a job. */
export function callbackEventRow(job: Job, callback: NewCallback): EventRow {
  return {
    id: callback.eventId,
    tenantId: job.tenantId,
    type: callback.type,
    jobId: job.id,
    key: null,
    fanOut: 1,
    body: callback.body,
    traceparent: job.traceparent,
    createdAt: callback.createdAt,
  }
}

/** … and its delivery, due at once. */
export function callbackDeliveryRow(job: Job, { deliveryId, expiresAt, ...callback }: NewCallback): Delivery {
  const event = { id: callback.eventId, tenantId: job.tenantId, jobId: job.id, ...callback }
  return newDeliveryRow(event, {
    id: deliveryId,
    expiresAt,
    endpointId: job.endpointId as string,
    url: job.callbackUrl as string,
  })
}

/** A delivery of an event, due at once. */
export function newDeliveryRow(
  event: Pick<EventRow, 'id' | 'tenantId' | 'type' | 'jobId' | 'createdAt'>,
  delivery: Pick<Delivery, 'id' | 'endpointId' | 'url' | 'expiresAt'> & Partial<Delivery>,
): Delivery {
  return {
    tenantId: event.tenantId,
    eventId: event.id,
    eventType: event.type,
    jobId: event.jobId,
    status: 'pending',
    orderKey: null,
    orderSeq: null,
    dueAt: event.createdAt,
    attempts: 0,
    claimNo: 0,
    workerId: null,
    claimedAt: null,
    claimedUntil: null,
    replays: 0,
    lastStatus: null,
    lastErrorClass: null,
    lastError: null,
    createdAt: event.createdAt,
    finishedAt: null,
    ...delivery,
  }
}

/** A tenant's row with nothing set but where it begins. */
export function newTenantRow(tenant: Pick<Tenant, 'id' | 'name' | 'signingSecret' | 'createdAt'>): Tenant {
  return {
    signingKey: null,
    publicKey: null,
    oldSecrets: '[]',
    pollLimitPerS: null,
    requestLimitPerS: null,
    updatedAt: null,
    ...tenant,
  }
}
