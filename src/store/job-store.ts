import type { FinishedStatus, Job, JobStatus, JsonText } from '../core/job.ts'

/** What a client asked for, checked and with defaults filled in. */
export type NewJob = Pick<
  Job,
  | 'id'
  | 'tenantId'
  | 'type'
  | 'priority'
  | 'payload'
  | 'metadata'
  | 'callbackUrl'
  | 'endpointId'
  | 'callbackEvents'
  | 'traceparent'
  | 'createdAt'
  | 'runAt'
  | 'deadlineAt'
  | 'timeoutMs'
  | 'maxAttempts'
  | 'resultTtlMs'
> & {
  /** The implied endpoint of the callback: made when it is not there yet. Null with a registered one, or without a callback. */
  callback: { origin: string; newEndpointId: string } | null
}

export interface NewKey {
  key: string
  fingerprint: string
}

export type Accepted =
  | { kind: 'created'; job: Job }
  /** The key was used for the same request before: the job it made. */
  | { kind: 'repeated'; job: Job }
  /** The key was used for another request. */
  | { kind: 'key_reused' }
  /** Another request with the key is being stored at this moment. */
  | { kind: 'key_busy' }

/** What a known key is answered with. */
export type Repeated = Extract<Accepted, { kind: 'repeated' | 'key_reused' }>

/** Which run of a job a write belongs to. A run that was taken over has an older `claimNo`. */
export interface JobClaim {
  id: string
  claimNo: number
}

/** An event about a job, and its delivery to the job's callback. */
export interface NewCallback {
  eventId: string
  deliveryId: string
  type: string
  body: JsonText
  createdAt: number
  expiresAt: number
}

export interface JobFinish {
  status: FinishedStatus
  finishedAt: number
  progress: number
  message: string | null
  result: JsonText | null
  resultFileId: string | null
  error: JsonText | null
  /** When its expiry is looked at first. */
  expiryDueAt: number
  /** Null when the job has no callback, or it does not want this event. */
  callback: NewCallback | null
}

export interface JobProgress {
  progress: number
  message: string | null
  at: number
  callback: NewCallback | null
}

/** Progress that was stored. `seq` numbers a job's progress from 2; 1 is its start. */
export interface ProgressEvent {
  seq: number
  progress: number
  message: string | null
  at: number
}

export interface JobClaimRequest {
  workerId: string
  now: number
  /** Free places in all. */
  limit: number
  /** Free places by type; types that are not named are not taken. */
  types: ReadonlyMap<string, number>
  /** The tenant that was served last: the round goes on behind it. */
  afterTenant: string | null
  /** Of the free places, the last ones of all and of each type are for tenants that have no run in the process. */
  reserved: number
  reservedByType: ReadonlyMap<string, number>
  /** Tenants that have one. */
  busyTenants: ReadonlySet<string>
}

export interface JobFilter {
  status?: JobStatus | undefined
  type?: string | undefined
  createdAfter?: number | undefined
  createdBefore?: number | undefined
}

export interface Page {
  limit: number
  /** Only ids below this one. */
  before: string | null
}

export interface JobStore {
  /**
   * The job, its idempotency key, its implied endpoint and its place in the queue, at once.
   * @param workerId Has a free place: a job that is due is claimed for it at once instead of going through the queue,
   *   unless it was struck off meanwhile
   */
  accept(job: NewJob, key: NewKey | null, workerId?: string | null): Promise<Accepted>
  /** What a key stands for; null when it was not used yet. */
  lookUp(tenantId: string, key: NewKey): Promise<Repeated | null>
  get(tenantId: string, id: string): Promise<Job | null>
  /** Newest first. @param tenantId Null for admins */
  list(tenantId: string | null, filter: JobFilter, page: Page): Promise<Job[]>
  /**
   * Ready jobs, round-robin over tenants; within a tenant by priority, due time, arrival. `attempt` counts the new run.
   * None for a worker that was struck off.
   */
  claim(request: JobClaimRequest): Promise<Job[]>
  /** False: the run is no longer the job's. */
  progress(claim: JobClaim, progress: JobProgress): Promise<boolean>
  /**
   * An event about the run that is not progress, e.g. that it began. The same event told again is no second one.
   * False: the run is no longer the job's.
   */
  announce(claim: JobClaim, callback: NewCallback): Promise<boolean>
  /** The job's stored progress with a `seq` above `after`, oldest first. */
  progressSince(id: string, after: number): Promise<ProgressEvent[]>
  /**
   * Leaves a run's job without a worker until somebody outside ends it, at the latest `until`.
   * False: the run is no longer the job's.
   */
  suspend(claim: JobClaim, state: { until: number; progress: number; message: string | null }): Promise<boolean>
  /** Suspended jobs whose time is up. */
  suspendedTooLong(now: number, limit: number): Promise<Job[]>
  /** Any tenant's job, for admins, and for who has shown another proof than the tenant's key. */
  find(id: string): Promise<Job | null>
  /** Back into the queue for `dueAt` after a failed run. False: the run is no longer the job's. */
  retry(claim: JobClaim, dueAt: number, error: JsonText): Promise<boolean>
  /** Back into the queue at once, the run not counted; `lost` when its process died. False: as above. */
  release(claim: JobClaim, lost: boolean): Promise<boolean>
  /** Ends a run's job. Null: the run is no longer the job's. */
  finish(claim: JobClaim, finish: JobFinish): Promise<Job | null>
  /** Ends an unfinished job that is still as it was read. Null: it changed meanwhile. */
  finishUnclaimed(id: string, version: number, finish: JobFinish): Promise<Job | null>
  /** Scheduled jobs whose time has come become ready. Returns how many; below `limit` means all. */
  promote(now: number, limit: number): Promise<number>
  /** Jobs in the queue whose deadline has passed. */
  overdue(now: number, limit: number): Promise<Job[]>
  /** Jobs whose worker is not on the list any more. */
  lost(limit: number): Promise<Job[]>
  /** The ids of the jobs that the worker runs, as far as the store knows. */
  held(workerId: string): Promise<string[]>
  /**
   * Puts back what the worker holds without knowing, because the answer to its claim was lost. Returns how many.
   * @param known The ids of what it runs; no claim of its own may be under way
   */
  releaseUnknown(workerId: string, known: readonly string[]): Promise<number>
  /**
   * How many ready jobs of the same type are taken before this one, counted up to `limit`.
   * Null when it is not waiting in the queue.
   */
  position(job: Job, limit: number): Promise<number | null>
  /** How many jobs are ready, counted up to `limit`. */
  countReady(limit: number): Promise<number>
  /** Mean run times by type, in ms. */
  runTimes(): Promise<Map<string, number>>
  saveRunTimes(meansMs: ReadonlyMap<string, number>, now: number): Promise<void>
  /** Finished jobs whose expiry is to be looked at. */
  expiryDue(now: number, limit: number): Promise<Job[]>
  /** Looks at the job's expiry again at `dueAt`; `expiring` is the event that says it is near. */
  postponeExpiry(job: Job, dueAt: number, expiring: NewCallback | null): Promise<void>
  /** Gives up result, payload and progress; returns the ids of the files that went with them. */
  expire(job: Job, now: number, expired: NewCallback | null): Promise<string[]>
  /** Removes jobs that expired before; their keys are free again. Returns how many. */
  purge(expiredBefore: number, limit: number): Promise<number>
  /**
   * Erases a finished job with its key, and the bytes of its events that need not be sent any more.
   * Returns the ids of its files, null when it is not there or not finished.
   */
  erase(tenantId: string, id: string): Promise<string[] | null>
}
