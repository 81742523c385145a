export type StatOutcome = 'delivered' | 'failed' | 'dead'

/** What is counted: attempts by outcome, and deliveries that arrived by the time since they were accepted. */
export type StatKind = StatOutcome | 'arrived'

/** So many of a minute, by kind and duration. */
export interface StatRow {
  /** An endpoint, a tenant, or the empty text for the platform. */
  scope: string
  minute: number
  outcome: StatKind
  /** Of the duration; see core/histogram.ts. */
  bucket: number
  count: number
}

/** Whose figures. */
export type Scope = { kind: 'platform' } | { kind: 'tenant'; id: string } | { kind: 'endpoint'; id: string }

/** What did not occur is not there. */
export interface AttemptCounts {
  minutes: { minute: number; outcome: StatOutcome; count: number }[]
  /** Attempts by duration. */
  buckets: BucketCount[]
  /** Deliveries that arrived, by the time since they were accepted. Those of replays are not among them. */
  arrivals: BucketCount[]
}

export type BucketCount = Pick<StatRow, 'bucket' | 'count'>

/** How far a count goes, and how many lanes are looked at, so that figures cost the same however much waits. */
export interface FigureLimits {
  count: number
  lanes: number
}

/** What waits on the lanes of a scope. Endpoints that were deleted are not among them. */
export interface LaneFigures {
  /** Deliveries that could be sent now, counted to the limit: on lanes neither disabled nor paused nor with an open breaker. */
  due: number
  /** When the first of them became due. */
  oldestDueAt: number | null
  /** Disabled endpoints with deliveries that wait for them. */
  held: number
  /** Endpoints with an open breaker and deliveries that wait for it. */
  open: number
}

/** What waits on one lane, whatever state that is in. */
export interface Waiting {
  /** Deliveries that are still to be sent, also those behind others of their key; counted to the limit. */
  pending: number
  /** When the first of them became due; null when none is. */
  oldestDueAt: number | null
}

/** Figures: none of them reads rows of deliveries or attempts one by one, however many there are. */
export interface StatsStore {
  /** Adds these counts to those that are stored: all or none. */
  add(rows: readonly StatRow[]): Promise<void>
  /** Attempts that ended from this minute on. */
  attempts(scope: Scope, fromMinute: number): Promise<AttemptCounts>
  lanes(scope: Scope, now: number, limits: FigureLimits): Promise<LaneFigures>
  waiting(endpointId: string, now: number, limit: number): Promise<Waiting>
  /** A tenant's ready jobs, counted to the limit; see JobStore.countReady for those of all. */
  readyJobs(tenantId: string, limit: number): Promise<number>
  /** When the first of the ready jobs became due. @param tenantId Null: of all tenants */
  oldestReadyJob(tenantId: string | null): Promise<number | null>
  /** Removes the counts of earlier minutes. Returns how many. */
  purge(beforeMinute: number, limit: number): Promise<number>
}

const PLATFORM = ''

/** Under which scope counts are stored. */
export function statScope(scope: Scope): StatRow['scope'] {
  return scope.kind === 'platform' ? PLATFORM : scope.id
}

export const MINUTE_MS = 60_000

/** The beginning of the minute that a time is in. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS
}
