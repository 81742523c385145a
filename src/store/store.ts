import type { DeadReason, Decision, Delivery, DeliveryStatus, ErrorClass, LaneEffect } from '../core/delivery.ts'
import type { FinishedStatus, Job, JobStatus, JsonText } from '../core/job.ts'

// The store's verbs. Each is one transaction, and each guard that no longer holds is answered with a value
// (null or false), never with an exception: somebody else was faster, so the caller stops.
// All times are ms since 1970 and come from the caller's clock.

export interface Store extends AsyncDisposable {
  readonly tenants: TenantStore
  readonly jobs: JobStore
  readonly deliveries: DeliveryStore
  readonly files: FileStore
  /** Resolves when the database can be written to now; rejects with the reason when not. */
  ping(): Promise<void>
}

export type KeyRole = 'client' | 'admin'

export interface ApiKey {
  id: string
  /** Null for admin keys. */
  tenantId: string | null
  role: KeyRole
  name: string
  /** SHA-256 of the key, hex. The key itself is nowhere. */
  hash: string
  prefix: string
  lastFour: string
  createdAt: number
  revokedAt: number | null
}

export interface Tenant {
  id: string
  name: string
  /** Sealed; see secrets.ts. */
  signingSecret: string
  createdAt: number
}

export interface TenantStore {
  /** The key with this hash, null when there is none or it is revoked. */
  findKey(hash: string): Promise<ApiKey | null>
  findTenant(id: string): Promise<Tenant | null>
  findTenantByName(name: string): Promise<Tenant | null>
  /** Makes the tenant, or gives the one of that name a new signing secret. */
  saveTenant(tenant: Tenant): Promise<Tenant>
  /** Adds a key and revokes other ones of the same tenant, role and name; a known key is valid again. */
  replaceKey(key: ApiKey): Promise<void>
}

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
  | 'callbackEvents'
  | 'traceparent'
  | 'createdAt'
  | 'runAt'
  | 'deadlineAt'
  | 'timeoutMs'
  | 'maxAttempts'
  | 'resultTtlMs'
> & {
  /** The implied endpoint of the callback: made when it is not there yet. Null without a callback URL. */
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
  /** The job, its idempotency key, its implied endpoint and its place in the queue, at once. */
  accept(job: NewJob, key: NewKey | null): Promise<Accepted>
  get(tenantId: string, id: string): Promise<Job | null>
  /** Newest first. */
  list(tenantId: string, filter: JobFilter, page: Page): Promise<Job[]>
  /** Ready jobs, round-robin over tenants; within a tenant by priority, due time, arrival. `attempt` counts the new run. */
  claim(request: JobClaimRequest): Promise<Job[]>
  /** False: the run is no longer the job's. */
  progress(claim: JobClaim, progress: JobProgress): Promise<boolean>
  /** An event about the run that is not progress, e.g. that it began. False: the run is no longer the job's. */
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
  /** Any tenant's job, for who has shown another proof than the tenant's key. */
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
  /** Jobs claimed by processes that are gone. `workerId` is the one that asks. */
  lost(workerId: string, limit: number): Promise<Job[]>
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

export type EndpointKind = 'implied' | 'registered'

export interface Lane {
  id: string
  tenantId: string
  concurrency: number
  maxConcurrency: number
  pausedUntil: number | null
  disabledAt: number | null
}

export interface ClaimedDelivery extends Delivery {
  body: string
  traceparent: string
}

export interface LaneClaimRequest {
  laneId: string
  workerId: string
  now: number
  limit: number
  /** How long the claim lasts, in ms. */
  leaseMs: number
}

export interface LaneClaim {
  /** Null when the endpoint is gone. */
  lane: Lane | null
  deliveries: ClaimedDelivery[]
  /** More is due than was claimed: come back when a place is free. */
  more: boolean
}

export type AttemptOutcome = 'delivered' | 'failed' | 'lost'

export interface Attempt {
  deliveryId: string
  claimNo: number
  number: number
  outcome: AttemptOutcome
  startedAt: number
  durationMs: number
  phases: JsonText | null
  remoteAddress: string | null
  requestHeaders: JsonText | null
  status: number | null
  responseHeaders: JsonText | null
  responseBody: Buffer | null
  /** 1 when the answer was longer than what is kept. */
  responseTruncated: number
  errorClass: ErrorClass | null
  error: string | null
  nextAttemptAt: number | null
}

export interface AttemptRecord {
  delivery: Delivery
  decision: Decision
  attempt: Attempt
  /** When the attempt ended. */
  now: number
  /** The id of the dead letter, should the decision be `dead`. */
  deadLetterId: string
  fingerprint: string
  lane: LaneEffect | null
  /** The lane's attempts have all succeeded lately: let it have twice as many at once. */
  growLane: boolean
}

export interface DeadLetter {
  id: string
  tenantId: string
  deliveryId: string
  eventId: string
  endpointId: string
  reason: DeadReason
  lastStatus: number | null
  errorClass: ErrorClass | null
  fingerprint: string
  attempts: number
  firstAttemptAt: number | null
  lastAttemptAt: number | null
  diedAt: number
  replayedAt: number | null
  replayedBy: string | null
}

export interface DeliveryFilter {
  /** `held` are pending ones of a disabled endpoint. */
  status?: DeliveryStatus | 'held' | undefined
  endpointId?: string | undefined
  jobId?: string | undefined
  eventType?: string | undefined
  /** Of its dead letter. */
  reason?: DeadReason | undefined
  after?: number | undefined
  before?: number | undefined
}

export interface DeadLetterFilter {
  tenantId?: string | undefined
  endpointId?: string | undefined
  reason?: DeadReason | undefined
  fingerprint?: string | undefined
  after?: number | undefined
  before?: number | undefined
}

/** `held` is computed: pending, and the endpoint disabled. */
export type DeliveryView = Delivery & { held: boolean }

export interface AuditEntry {
  id: string
  at: number
  actor: string
  action: string
  target: string
  requestId: string
}

export interface ReplayRequest {
  deliveryId: string
  /** Only a delivery of this tenant; null for admins. */
  tenantId: string | null
  now: number
  expiresAt: number
  /** The API key that asked. */
  by: string
  /** Enable a disabled endpoint too. */
  enable: boolean
  /** Written in the same transaction; null for a tenant's own replay. */
  audit: AuditEntry | null
}

export type Replayed =
  /** `fresh` is false when a replay of it was under way already. */
  | { kind: 'replaying'; delivery: DeliveryView; fresh: boolean }
  | { kind: 'not_found' }
  | { kind: 'pending' }
  | { kind: 'endpoint_disabled' }
  /** The event's bytes were erased. */
  | { kind: 'payload_expired' }

export interface DeliveryStore {
  /** Endpoints with a due delivery that are neither disabled nor paused. */
  dueLanes(now: number): Promise<string[]>
  /** Takes as many due deliveries of one lane as the lane may have in flight, oldest due first, and numbers their attempts. */
  claim(request: LaneClaimRequest): Promise<LaneClaim>
  /** The attempt, what it means for delivery and lane, and the dead letter. False: the claim was taken over. */
  record(record: AttemptRecord): Promise<boolean>
  /**
   * Deliveries claimed by processes that are gone, or whose claim has run out, become due again;
   * their attempts are recorded as lost. Returns how many.
   */
  releaseLost(workerId: string, now: number, limit: number): Promise<number>
  get(tenantId: string | null, id: string): Promise<DeliveryView | null>
  /** Newest first. */
  list(tenantId: string | null, filter: DeliveryFilter, page: Page): Promise<DeliveryView[]>
  /** Oldest first. */
  attempts(deliveryId: string): Promise<Attempt[]>
  deadLetter(id: string): Promise<DeadLetter | null>
  /** Newest first. */
  deadLetters(filter: DeadLetterFilter, page: Page): Promise<DeadLetter[]>
  /** Removes deliveries that ended before, with attempts, dead letters, and events nobody else has. Returns how many. */
  purge(finishedBefore: number, limit: number): Promise<number>
  /** Sends a delivered or dead delivery again: same event, same endpoint, fresh budget, history kept. */
  replay(request: ReplayRequest): Promise<Replayed>
}

export interface FileRow {
  id: string
  tenantId: string
  jobId: string | null
  /** Bytes. */
  size: number
  sha256: string
  contentType: string
  createdAt: number
}

export type AddedFile =
  | { kind: 'created'; file: FileRow }
  /** The key was used for the same upload before: the file it made. */
  | { kind: 'repeated'; file: FileRow }
  | { kind: 'key_reused' }

export interface FileStore {
  /** The file and its idempotency key, at once. */
  add(file: FileRow, key: NewKey | null): Promise<AddedFile>
  get(tenantId: string, id: string): Promise<FileRow | null>
  /** Removes uploads from before that no job refers to; returns their ids. */
  removeOrphans(uploadedBefore: number, limit: number): Promise<string[]>
}
