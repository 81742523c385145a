import type { DeadReason, Decision, Delivery, DeliveryStatus, ErrorClass } from '../core/delivery.ts'
import type { JsonText } from '../core/job.ts'
import type { LaneResult } from '../core/lane.ts'
import type { Endpoint } from './endpoint-store.ts'
import type { Page } from './job-store.ts'
import type { Notices } from './notices.ts'

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
  /** Nothing is claimed on lanes of these. */
  exceptTenants: ReadonlySet<string>
}

export interface LaneClaim {
  /** Null when the endpoint is gone. */
  lane: Endpoint | null
  deliveries: ClaimedDelivery[]
  /** More is due than was claimed: come back when a place is free. */
  more: boolean
  /** When the lane's rate has room again; null when that is not what it waits for. */
  roomAt: number | null
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
  /** What the lane learns of it; null when it stays as it is (see `changesLane`). */
  lane: LaneResult | null
  notices: Notices
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
  eventId?: string | undefined
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
  /** When they died. */
  after?: number | undefined
  before?: number | undefined
  /** False: only those that were not replayed yet. */
  replayed?: false | undefined
}

/** Dead letters that are alike: those of one endpoint with one fingerprint and reason. */
export interface DeadLetterGroup {
  fingerprint: string
  endpointId: string
  tenantId: string
  reason: DeadReason
  count: number
  firstDiedAt: number
  lastDiedAt: number
  /** The newest of them. */
  deadLetterId: string
  deliveryId: string
  lastStatus: number | null
  errorClass: ErrorClass | null
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
  | { kind: 'endpoint_deleted' }
  /** The event's bytes were erased. */
  | { kind: 'payload_expired' }

export interface BurialRequest {
  now: number
  limit: number
  /** The ids of the dead letters. */
  newId: () => string
  notices: Notices
}

export interface ExpiryRequest extends BurialRequest {
  heldBefore: number
  enabledAfter: number
}

export interface BacklogRequest {
  now: number
  /** A lane has a backlog when something on it became due before this. */
  dueBefore: number
  notices: Notices
}

export interface DeliveryStore {
  /** Endpoints with a due delivery that are neither disabled nor paused, nor wait for a probe. */
  dueLanes(now: number): Promise<string[]>
  /** Takes as many due deliveries of one lane as the lane may have in flight, oldest due first, and numbers their attempts. None for a worker that was struck off. */
  claim(request: LaneClaimRequest): Promise<LaneClaim>
  /** The attempt, what it means for delivery and lane, and the dead letter. False: the claim was taken over. */
  record(record: AttemptRecord): Promise<boolean>
  /**
   * Deliveries whose worker is not on the list any more, or whose claim has run out, become due again;
   * their attempts are recorded as lost. Returns how many.
   */
  releaseLost(now: number, limit: number): Promise<number>
  /** Like `JobStore.releaseUnknown`: what the worker holds without knowing becomes due again, and was never attempted. */
  releaseUnknown(workerId: string, known: readonly string[]): Promise<number>
  get(tenantId: string | null, id: string): Promise<DeliveryView | null>
  /** Newest first. */
  list(tenantId: string | null, filter: DeliveryFilter, page: Page): Promise<DeliveryView[]>
  /** Oldest first. */
  attempts(deliveryId: string): Promise<Attempt[]>
  deadLetter(id: string): Promise<DeadLetter | null>
  /** Newest first. */
  deadLetters(filter: DeadLetterFilter, page: Page): Promise<DeadLetter[]>
  /** The largest first. */
  deadLetterGroups(filter: DeadLetterFilter, limit: number): Promise<DeadLetterGroup[]>
  /**
   * Gives up deliveries that have waited past their `expires_at`, and those held since before `heldBefore`.
   * An endpoint that was enabled after `enabledAfter` has all its time again. Returns how many.
   */
  expire(request: ExpiryRequest): Promise<number>
  /** Tells the tenants of lanes that have a backlog, once until that is over. Held deliveries are none. Returns how many. */
  tellBacklogs(request: BacklogRequest): Promise<number>
  /** Gives up what waits for endpoints that were deleted, and removes those nothing waits for. Returns how many. */
  buryDeleted(request: BurialRequest): Promise<number>
  /** Removes deliveries that ended before, with attempts, dead letters, and events nobody else has. Returns how many. */
  purge(finishedBefore: number, limit: number): Promise<number>
  /** Sends a delivered or dead delivery again: same event, same endpoint, fresh budget, history kept. */
  replay(request: ReplayRequest): Promise<Replayed>
}
