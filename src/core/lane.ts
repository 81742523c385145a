/** A lane's own limits, as stored with its endpoint. */
export interface LaneState {
  /** How many attempts may be in flight now. */
  concurrency: number
  maxConcurrency: number
  /** Nothing is sent before this time (the receiver's Retry-After). */
  pausedUntil: number | null
  /** Set: its deliveries are held. */
  disabledAt: number | null
}

/** A lane begins with this many attempts at once (CONTRACT §4). */
export const INITIAL_CONCURRENCY = 4
/** … and grows to this many unless its endpoint says otherwise. */
export const DEFAULT_MAX_CONCURRENCY = 64

/** How many deliveries may be claimed on a lane now. */
export function claimable(lane: LaneState, inFlight: number, wanted: number, now: number): number {
  if (lane.disabledAt !== null) return 0
  if (lane.pausedUntil !== null && lane.pausedUntil > now) return 0
  return Math.max(0, Math.min(wanted, lane.concurrency - inFlight))
}

export function doubled(lane: Pick<LaneState, 'concurrency' | 'maxConcurrency'>): number {
  return Math.min(lane.maxConcurrency, lane.concurrency * 2)
}

export function halved(lane: Pick<LaneState, 'concurrency'>): number {
  return Math.max(1, Math.floor(lane.concurrency / 2))
}
