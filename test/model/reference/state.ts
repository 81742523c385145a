import type { Delivery } from '../../../src/core/delivery.ts'
import type { Job } from '../../../src/core/job.ts'
import type { Attempt, DeadLetter, Endpoint, FileRow, NewCallback, ProgressEvent } from '../../../src/store/store.ts'

export interface Event {
  id: string
  jobId: string
  /** Empty once its bytes were erased. */
  body: string
  traceparent: string
}

/** What a store holds, as plain objects by id. Rows are never changed, only replaced. */
export interface State {
  readonly jobs: Map<string, Job>
  readonly progress: Map<string, readonly ProgressEvent[]>
  /** By tenant and key. */
  readonly keys: Map<string, { fingerprint: string; resourceId: string }>
  readonly endpoints: Map<string, Endpoint>
  readonly events: Map<string, Event>
  readonly deliveries: Map<string, Delivery>
  readonly attempts: Map<string, readonly Attempt[]>
  readonly letters: Map<string, DeadLetter>
  readonly files: Map<string, FileRow>
  /** How often each worker on the list has given a sign of life. */
  readonly workers: Map<string, number>
  readonly runTimes: Map<string, number>
}

export function emptyState(): State {
  return {
    jobs: new Map(),
    progress: new Map(),
    keys: new Map(),
    endpoints: new Map(),
    events: new Map(),
    deliveries: new Map(),
    attempts: new Map(),
    letters: new Map(),
    files: new Map(),
    workers: new Map(),
    runTimes: new Map(),
  }
}

export function keyOf(tenantId: string, key: string): string {
  return `${tenantId} ${key}`
}

export function freeKeysOf(state: State, resourceId: string): void {
  for (const [name, key] of state.keys) if (key.resourceId === resourceId) state.keys.delete(name)
}

/** Changes a job that is there, and counts the change. */
export function changeJob(state: State, job: Job, changes: Partial<Job>): Job {
  const changed = { ...job, ...changes, version: job.version + 1 }
  state.jobs.set(job.id, changed)
  return changed
}

export function changeDelivery(state: State, delivery: Delivery, changes: Partial<Delivery>): Delivery {
  const changed = { ...delivery, ...changes }
  state.deliveries.set(delivery.id, changed)
  return changed
}

/** An event about a job, and its delivery, due at once. */
export function addCallback(state: State, job: Job, callback: NewCallback | null): void {
  if (callback === null) return
  const { eventId, deliveryId, type, body, createdAt, expiresAt } = callback
  state.events.set(eventId, { id: eventId, jobId: job.id, body, traceparent: job.traceparent })
  state.deliveries.set(deliveryId, {
    id: deliveryId,
    tenantId: job.tenantId,
    endpointId: job.endpointId as string,
    eventId,
    eventType: type,
    jobId: job.id,
    url: job.callbackUrl as string,
    status: 'pending',
    orderKey: null,
    orderSeq: null,
    dueAt: createdAt,
    attempts: 0,
    claimNo: 0,
    workerId: null,
    claimedAt: null,
    claimedUntil: null,
    replays: 0,
    lastStatus: null,
    lastErrorClass: null,
    lastError: null,
    createdAt,
    expiresAt,
    finishedAt: null,
  })
}
