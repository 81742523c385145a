/** A lane's own limits and health, as stored with its endpoint. Times are ms since 1970. */
export interface LaneState {
  /** How many attempts may be in flight now. */
  concurrency: number
  maxConcurrency: number
  /** Nothing is sent before this time (the receiver's Retry-After). */
  pausedUntil: number | null
  /** Set: its deliveries are held. */
  disabledAt: number | null
  /** Attempts a second; null: as many as there are places. */
  rateLimitPerS: number | null
  /** What the rate remembers: its theoretical arrival time. */
  rateTat: number | null
  /** Attempts in a row without any HTTP answer, and when the first of them ended. */
  silentAttempts: number
  silentSince: number | null
  /** The breaker is open: when one delivery is sent to see whether somebody answers. */
  probeAt: number | null
  /** How long it waited for that. */
  probeWaitMs: number | null
  /** Failed attempts since the last success, and when the first of them ended. */
  failures: number
  failingSince: number | null
  /** Exact to LAST_SUCCESS_GRAIN_MS, so that not every success is written down. */
  lastSuccessAt: number | null
}

/** A lane begins with this many attempts at once (CONTRACT §4). */
export const INITIAL_CONCURRENCY = 4
/** … and grows to this many unless its endpoint says otherwise. */
export const DEFAULT_MAX_CONCURRENCY = 64
/** A rate may run ahead of itself by this much and one attempt, so that who comes a little late loses nothing. */
const RATE_BURST_MS = 100
/** A place is not lost to the last digits of a fraction. */
const ROUNDING = 1e-6

/** CONTRACT §4, "Lane": the breaker opens after so many attempts in a row within this time without an HTTP answer … */
const SILENT_ATTEMPTS = 5
const SILENT_WINDOW_MS = 60_000
/** … the first probe comes after this, then twice as late each time, up to the last. */
const FIRST_PROBE_MS = 30_000
const MAX_PROBE_MS = 15 * 60_000
/** A lane that was open begins anew with this many attempts at once. */
const RECOVERING_CONCURRENCY = 1
/** A registered endpoint is disabled when its last success is older than this and so many attempts have failed since. */
const FAILING_MS = 5 * 86_400_000
const FAILING_ATTEMPTS = 10
const LAST_SUCCESS_GRAIN_MS = 3_600_000

/** A new lane's state. */
export function newLane(): LaneState {
  return {
    concurrency: INITIAL_CONCURRENCY,
    maxConcurrency: DEFAULT_MAX_CONCURRENCY,
    pausedUntil: null,
    disabledAt: null,
    rateLimitPerS: null,
    rateTat: null,
    silentAttempts: 0,
    silentSince: null,
    probeAt: null,
    probeWaitMs: null,
    failures: 0,
    failingSince: null,
    lastSuccessAt: null,
  }
}

/** How many deliveries may be claimed on a lane now. */
export function claimable(lane: LaneState, inFlight: number, wanted: number, now: number): number {
  if (lane.disabledAt !== null) return 0
  if (lane.pausedUntil !== null && lane.pausedUntil > now) return 0
  // While the breaker is open, one at a time finds out whether somebody answers.
  if (lane.probeAt !== null) return lane.probeAt <= now && inFlight === 0 ? Math.min(1, wanted) : 0
  return Math.max(0, Math.min(wanted, lane.concurrency - inFlight, rateRoom(lane, now)))
}

/** The rate after so many were claimed; what there was when it has none. */
export function charged(lane: LaneState, taken: number, now: number): number | null {
  if (lane.rateLimitPerS === null || taken === 0) return lane.rateTat
  return Math.max(lane.rateTat ?? now, now) + (taken * 1000) / lane.rateLimitPerS
}

/** When the rate has room for one more; null when it has now, or there is none. */
export function rateRoomAt(lane: LaneState, now: number): number | null {
  if (lane.rateLimitPerS === null || rateRoom(lane, now) > 0) return null
  const { intervalMs, burstMs } = rateOf(lane.rateLimitPerS)
  return Math.ceil((lane.rateTat ?? now) + intervalMs - burstMs)
}

/** GCRA: what was taken lies ahead of now, and may do so by the burst. */
function rateRoom(lane: LaneState, now: number): number {
  if (lane.rateLimitPerS === null) return Number.POSITIVE_INFINITY
  const { intervalMs, burstMs } = rateOf(lane.rateLimitPerS)
  const aheadMs = Math.max(lane.rateTat ?? now, now) - now
  return Math.floor((burstMs - aheadMs) / intervalMs + ROUNDING)
}

function rateOf(perS: number): { intervalMs: number; burstMs: number } {
  return { intervalMs: 1000 / perS, burstMs: RATE_BURST_MS + 1000 / perS }
}

/** What one attempt tells of its lane. */
export interface LaneResult {
  /** 2xx. */
  success: boolean
  /** An HTTP answer of whatever status. False: silence. Null: nothing was sent, which tells nothing of the receiver. */
  answered: boolean | null
  /** Nothing is sent on the lane before this time. */
  pauseUntil: number | null
  /** The receiver is overloaded or silent: half as many at once. */
  halve: boolean
  /** The receiver asked for no further deliveries: why the endpoint is disabled, if it is a registered one. */
  disable: 'gone' | 'asked' | null
  /** The lane's attempts have all succeeded lately: let it have twice as many at once. */
  grow: boolean
  /** When the attempt was claimed: one from before the breaker opened is no probe. */
  claimedAt: number
}

export type DisableReason = 'gone' | 'asked' | 'failing' | 'client'

export interface LaneChange {
  lane: LaneState
  /** Answers came again after the breaker was open. */
  recovered: boolean
  /** It is disabled from now on, and why. */
  disabled: DisableReason | null
}

/** Whether an attempt changes its lane at all: a success on a healthy lane does not, so that a busy one is not written for each. */
export function changesLane(lane: LaneState, result: LaneResult, now: number): boolean {
  if (!result.success) return result.answered !== null
  const stale = lane.lastSuccessAt === null || now - lane.lastSuccessAt > LAST_SUCCESS_GRAIN_MS
  return result.grow || stale || lane.failures > 0 || lane.silentAttempts > 0 || lane.probeAt !== null
}

/** The lane after an attempt that ended at `now`. @param registered Only then it can be disabled */
export function afterAttempt(lane: LaneState, result: LaneResult, registered: boolean, now: number): LaneChange {
  const closes = result.answered === true && lane.probeAt !== null
  const next = {
    ...lane,
    ...breakerAfter(lane, result, now),
    ...healthAfter(lane, result, now),
    concurrency: closes ? RECOVERING_CONCURRENCY : concurrencyAfter(lane, result),
    pausedUntil: result.pauseUntil === null ? lane.pausedUntil : Math.max(lane.pausedUntil ?? 0, result.pauseUntil),
  }
  const reason = registered && lane.disabledAt === null ? disableReason(next, result, now) : null
  if (reason !== null) next.disabledAt = now
  return { lane: next, recovered: closes, disabled: reason }
}

function concurrencyAfter(lane: LaneState, { halve, grow }: LaneResult): number {
  if (halve) return Math.max(1, Math.floor(lane.concurrency / 2))
  return grow ? Math.min(lane.maxConcurrency, lane.concurrency * 2) : lane.concurrency
}

type Breaker = Pick<LaneState, 'silentAttempts' | 'silentSince' | 'probeAt' | 'probeWaitMs'>

function breakerAfter(lane: LaneState, { answered, claimedAt }: LaneResult, now: number): Partial<Breaker> {
  if (answered === null) return {}
  if (answered) return { silentAttempts: 0, silentSince: null, probeAt: null, probeWaitMs: null }
  if (lane.probeAt !== null) {
    // Under way when it opened: it says nothing new.
    if (claimedAt < lane.probeAt) return {}
    const probeWaitMs = Math.min(MAX_PROBE_MS, 2 * (lane.probeWaitMs ?? FIRST_PROBE_MS))
    return { probeAt: now + probeWaitMs, probeWaitMs }
  }
  const inRow = lane.silentSince !== null && now - lane.silentSince <= SILENT_WINDOW_MS
  const silentAttempts = inRow ? lane.silentAttempts + 1 : 1
  const silentSince = inRow ? lane.silentSince : now
  if (silentAttempts < SILENT_ATTEMPTS) return { silentAttempts, silentSince }
  return { silentAttempts, silentSince, probeAt: now + FIRST_PROBE_MS, probeWaitMs: FIRST_PROBE_MS }
}

function healthAfter(lane: LaneState, { success, answered }: LaneResult, now: number): Partial<LaneState> {
  if (success) return { failures: 0, failingSince: null, lastSuccessAt: now }
  return answered === null ? {} : { failures: lane.failures + 1, failingSince: lane.failingSince ?? now }
}

function disableReason(lane: LaneState, { disable }: LaneResult, now: number): DisableReason | null {
  if (disable !== null) return disable
  const since = lane.lastSuccessAt ?? lane.failingSince
  const failing = lane.failures >= FAILING_ATTEMPTS && since !== null && now - since > FAILING_MS
  return failing ? 'failing' : null
}

/** The lane of an endpoint that is enabled: what waited is sent from one at a time upwards. */
export function enabledLane<Lane extends LaneState>(lane: Lane): Lane {
  const fresh = { silentAttempts: 0, silentSince: null, probeAt: null, probeWaitMs: null, failures: 0 }
  return {
    ...lane,
    ...fresh,
    failingSince: null,
    pausedUntil: null,
    disabledAt: null,
    concurrency: RECOVERING_CONCURRENCY,
  }
}
