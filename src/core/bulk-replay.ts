export type ReplayStatus = 'running' | 'paused' | 'cancelled' | 'done'

/** What an admin does with a bulk replay. */
export type ReplayAction = 'pause' | 'resume' | 'cancel'

/** From which states each leads where. */
export const REPLAY_ACTIONS = {
  pause: { from: ['running'], to: 'paused' },
  resume: { from: ['paused'], to: 'running' },
  cancel: { from: ['running', 'paused'], to: 'cancelled' },
} as const satisfies Record<ReplayAction, { from: readonly ReplayStatus[]; to: ReplayStatus }>

/**
 * The rate may run ahead of itself by this much and one letter: what a busy machine let pass is made up for, what a
 * restart took longer is not.
 */
const BURST_MS = 1000
/** A place is not lost to the last digits of a fraction. */
const ROUNDING = 1e-6

/** A rate of a replay: so many a second, null for as many as there are, and its theoretical arrival time (GCRA). */
export interface ReplayRate {
  ratePerS: number | null
  rateTat: number | null
}

/** The arrival time with which a replay begins, or goes on after a pause: one letter, then by the rate. */
export function startingTat(now: number): number {
  return now + BURST_MS
}

/** How many letters the rate lets go now. */
export function replayRoom({ ratePerS, rateTat }: ReplayRate, now: number): number {
  if (ratePerS === null) return Number.POSITIVE_INFINITY
  const intervalMs = 1000 / ratePerS
  const aheadMs = Math.max(0, (rateTat ?? now) - now)
  return Math.max(0, Math.floor((BURST_MS + intervalMs - aheadMs) / intervalMs + ROUNDING))
}

/** The arrival time after so many letters were let go. */
export function chargedTat({ ratePerS, rateTat }: ReplayRate, released: number, now: number): number | null {
  if (ratePerS === null || released === 0) return rateTat
  return Math.max(rateTat ?? now, now) + (released * 1000) / ratePerS
}

/** How many are still to come. Letters that were replayed one by one meanwhile are nobody's any more. */
export function replayRemaining(replay: { status: ReplayStatus; total: number; done: number; failed: number }): number {
  return replay.status === 'done' ? 0 : Math.max(0, replay.total - replay.done - replay.failed)
}

/** When the last letter will have been let go; null when that is not foreseeable. */
export function replayEta(
  remaining: number,
  status: ReplayStatus,
  ratePerS: number | null,
  now: number,
): number | null {
  return status !== 'running' || ratePerS === null ? null : now + Math.ceil((remaining * 1000) / ratePerS)
}
