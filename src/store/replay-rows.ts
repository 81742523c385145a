import { chargedTat } from '../core/bulk-replay.ts'
import type { BulkReplay, DeadLetterFilter, ReplayChange, ReplayStep } from './store.ts'

// How a bulk replay goes on, the same in every database.

/** A step looks at so many rows at most, however few of them are its own: bounds its transaction. */
export const SCANNED_ROWS = 5000

/** Bounds of all ids of dead letters, in every collation. */
const BEFORE_ALL = 'dead_'
const BEHIND_ALL = 'dead_g'

/** A dead letter that comes next. */
export interface NextLetter {
  id: string
  deliveryId: string
  endpointId: string
}

/** Of the statement that finds the next letters: all conditions, null for those that are not given. */
export function nextLettersParameters({ filter, order, position, diedBefore }: BulkReplay) {
  const { tenantId, endpointId, reason, fingerprint, after, before } = JSON.parse(filter) as DeadLetterFilter
  return {
    position: position ?? (order === 'oldest' ? BEFORE_ALL : BEHIND_ALL),
    tenantId: tenantId ?? null,
    endpointId: endpointId ?? null,
    reason: reason ?? null,
    fingerprint: fingerprint ?? null,
    after: after ?? 0,
    before: Math.min(before ?? diedBefore, diedBefore),
  }
}

/** Where the letters end, for a step that looks at all that are left. */
export function lastId({ order }: BulkReplay): string {
  return order === 'oldest' ? BEHIND_ALL : BEFORE_ALL
}

export interface StepOutcome {
  letters: readonly NextLetter[]
  /** Those whose deliveries start again. */
  released: readonly NextLetter[]
  /** How many letters there was room for, in the rate and in the transaction. */
  room: number
  /** How many there is room for in a transaction. */
  limit: number
  /** The last row looked at; null when there are no more behind. */
  end: string | null
  now: number
}

/** A replay goes on behind the last letter it took, or behind all rows it looked at. */
export function stepTaken(replay: BulkReplay, { letters, released, room, limit, end, now }: StepOutcome): ReplayStep {
  const full = letters.length === room
  const ended = !full && end === null
  const stepped: BulkReplay = {
    ...replay,
    status: ended ? 'done' : replay.status,
    position: (full ? letters.at(-1)?.id : end) ?? replay.position,
    done: replay.done + released.length,
    failed: replay.failed + letters.length - released.length,
    rateTat: chargedTat(replay, released.length, now),
    finishedAt: ended ? now : null,
  }
  const lanes = [...new Set(released.map(({ endpointId }) => endpointId))]
  return { replay: stepped, lanes, more: !ended && (room === limit || released.length < room) }
}

/** The rate lets none go now. */
export function stepWaited(replay: BulkReplay): ReplayStep {
  return { replay, lanes: [], more: false }
}

/** The replay after an admin's act. Its rate never forgets what it let go. */
export function changedReplay(replay: BulkReplay, { to, now, rateTat }: ReplayChange): BulkReplay {
  const finishedAt = to === 'cancelled' ? now : null
  return { ...replay, status: to, rateTat: Math.max(rateTat ?? 0, replay.rateTat ?? 0), finishedAt }
}

/** What the replay's actor asks of its deliveries. */
export function restartRequestOf(replay: BulkReplay, now: number, expiresAt: number) {
  return { now, expiresAt, by: replay.actor, enableUntil: replay.enable === 1 ? replay.createdAt : null }
}
