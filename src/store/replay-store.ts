import type { ReplayStatus } from '../core/bulk-replay.ts'
import type { JsonText } from '../core/job.ts'
import type { AuditEntry, DeadLetter, DeadLetterFilter } from './delivery-store.ts'
import type { NewKey, Page } from './job-store.ts'

export type { ReplayStatus } from '../core/bulk-replay.ts'
/** By when they died. */
export type ReplayOrder = 'oldest' | 'newest'

/** A bulk replay, as stored. */
export interface BulkReplay {
  id: string
  status: ReplayStatus
  /** JSON of DeadLetterFilter. */
  filter: JsonText
  order: ReplayOrder
  ratePerS: number | null
  /** What the rate remembers: its theoretical arrival time. */
  rateTat: number | null
  /** The last dead letter that was looked at. */
  position: string | null
  /** Dead letters from after its creation are not its own. */
  diedBefore: number
  /** How many there were at its creation. */
  total: number
  done: number
  /** Those that could not be replayed, e.g. because their bytes are gone. */
  failed: number
  /** 1: disabled endpoints are enabled. */
  enable: number
  /** The API key that asked. */
  actor: string
  requestId: string
  createdAt: number
  finishedAt: number | null
}

/** What a bulk replay would send: how many, and the first of them. */
export interface ReplayPreview {
  count: number
  sample: DeadLetter[]
}

export type AddedReplay =
  | { kind: 'created'; replay: BulkReplay }
  /** The key was used for the same request before: the replay it made, as it is now. */
  | { kind: 'repeated'; replay: BulkReplay }
  | { kind: 'key_reused' }
  | { kind: 'key_busy' }

export interface ReplayChange {
  id: string
  from: readonly ReplayStatus[]
  to: ReplayStatus
  now: number
  /** What its rate remembers from now on; null: what it did. */
  rateTat: number | null
  audit: AuditEntry
}

export type ChangedReplay =
  | { kind: 'changed'; replay: BulkReplay }
  | { kind: 'not_found' }
  /** It is in none of the states it had to be in. */
  | { kind: 'unfit'; replay: BulkReplay }

export interface ReplayStepRequest {
  id: string
  now: number
  /** Dead letters in one transaction. */
  limit: number
  /** Of the deliveries that are sent again. */
  expiresAt: number
}

/** What one step of a bulk replay did. */
export interface ReplayStep {
  /** As it is now. */
  replay: BulkReplay
  /** Endpoints with deliveries that are due now. */
  lanes: string[]
  /** It stopped because a step is to be short, not for its rate: there is something to do at once. */
  more: boolean
}

/** Bulk replays: dead letters by filter, from a place in their order on, as fast as a rate lets them. */
export interface ReplayStore {
  /** Reads without stopping anybody: `filter` as a replay that began now would see it. */
  preview(filter: DeadLetterFilter, order: ReplayOrder, limit: number): Promise<ReplayPreview>
  /** The replay, its idempotency key and its audit entry, at once. */
  add(replay: BulkReplay, key: NewKey | null, audit: AuditEntry): Promise<AddedReplay>
  get(id: string): Promise<BulkReplay | null>
  /** Newest first. */
  list(status: ReplayStatus | undefined, page: Page): Promise<BulkReplay[]>
  change(change: ReplayChange): Promise<ChangedReplay>
  /** The ids of those that are running, the oldest first. */
  running(): Promise<string[]>
  /**
   * The next letters behind its position, as many as its rate and the limit let through: their deliveries start again,
   * and it ends when there are none. All of it or nothing, so a crash neither loses nor repeats one.
   * Null: it is not running, or another process is at it.
   */
  step(request: ReplayStepRequest): Promise<ReplayStep | null>
  /** Removes those that ended before; their keys are free again. Returns how many. */
  purge(finishedBefore: number, limit: number): Promise<number>
}
