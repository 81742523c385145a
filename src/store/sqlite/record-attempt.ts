import type { Database } from 'better-sqlite3'
import { doubled, halved } from '../../core/lane.ts'
import { deadLetterRow, settledColumns } from '../settle-rows.ts'
import type { AttemptRecord, DeliveryStore, Lane } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { attempts, deadLetters } from './schema.ts'
import { insertInto } from './statements.ts'

/** Writes an attempt and all it means, fenced by the claim it was made under. */
export function attemptRecorder(db: Database, writer: GroupCommit): DeliveryStore['record'] {
  const settle = db.prepare(
    `UPDATE deliveries SET status = @status, due_at = @dueAt, finished_at = @finishedAt, last_status = @lastStatus,
      last_error_class = @errorClass, last_error = @error, worker_id = NULL, claimed_at = NULL, claimed_until = NULL
      WHERE id = @id AND claim_no = @claimNo AND status = 'delivering'`,
  )
  const insertAttempt = db.prepare(insertInto(attempts))
  const bury = burier(db)
  // Its job was erased while it was on its way: now it need not be sent any more.
  const wipe = db.prepare("UPDATE events SET body = '' WHERE id = ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?)")
  const changeLane = laneChanger(db)
  return (record) =>
    writer.run(() => {
      const { delivery, decision, attempt } = record
      const { changes } = settle.run(settledColumns(record))
      if (changes === 0) return false
      insertAttempt.run(attempt)
      bury(record)
      if (decision.next !== 'retry' && delivery.jobId !== null) wipe.run(delivery.eventId, delivery.jobId)
      changeLane(record)
      return true
    })
}

/** A delivery that was given up gets its dead letter. */
function burier(db: Database): (record: AttemptRecord) => void {
  const firstAttempt = db
    .prepare<[string], number | null>('SELECT min(started_at) FROM attempts WHERE delivery_id = ?')
    .pluck()
  const insert = db.prepare(insertInto(deadLetters))
  return (record) => {
    if (record.decision.next !== 'dead') return
    insert.run(deadLetterRow(record, firstAttempt.get(record.delivery.id) ?? null))
  }
}

/** A success on a healthy lane changes nothing, so that a busy endpoint's row is not written for each delivery. */
function laneChanger(db: Database): (record: AttemptRecord) => void {
  const find = db.prepare<[string], Pick<Lane, 'concurrency' | 'maxConcurrency'> & { kind: string }>(
    'SELECT concurrency, max_concurrency AS maxConcurrency, kind FROM endpoints WHERE id = ?',
  )
  const setConcurrency = db.prepare('UPDATE endpoints SET concurrency = ? WHERE id = ?')
  const pause = db.prepare('UPDATE endpoints SET paused_until = max(coalesce(paused_until, 0), ?) WHERE id = ?')
  const disable = db.prepare('UPDATE endpoints SET disabled_at = coalesce(disabled_at, ?) WHERE id = ?')
  return ({ delivery: { endpointId }, lane: effect, growLane, now }) => {
    if (effect === null && !growLane) return
    const lane = find.get(endpointId)
    if (lane === undefined) return
    if (effect?.halve) setConcurrency.run(halved(lane), endpointId)
    else if (growLane) setConcurrency.run(doubled(lane), endpointId)
    if (effect?.pauseUntil != null) pause.run(effect.pauseUntil, endpointId)
    if (effect?.disable && lane.kind === 'registered') disable.run(now, endpointId)
  }
}
