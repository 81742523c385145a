import type { Database } from 'better-sqlite3'
import { afterAttempt } from '../../core/lane.ts'
import { deadLetterRow, settledColumns } from '../settle-rows.ts'
import type { AttemptRecord, DeliveryStore, Endpoint } from '../store.ts'
import { laneUpdate } from './endpoints.ts'
import { eventAcceptor } from './events.ts'
import type { GroupCommit } from './group-commit.ts'
import { orderKeeper } from './order.ts'
import { attempts, deadLetters, endpoints } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

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
  const releaseNext = orderKeeper(db).releaseNext
  return (record) =>
    writer.run(() => {
      const { delivery, decision, attempt } = record
      const { changes } = settle.run(settledColumns(record))
      if (changes === 0) return false
      insertAttempt.run(attempt)
      bury(record)
      if (decision.next !== 'retry' && delivery.jobId !== null) wipe.run(delivery.eventId, delivery.jobId)
      changeLane(record)
      if (decision.next !== 'retry') releaseNext(delivery, record.now)
      return true
    })
}

/** A delivery that was given up gets its dead letter. */
function burier(db: Database): (record: AttemptRecord) => void {
  const firstAttempt = db
    .prepare<[string], number | null>('SELECT min(started_at) FROM attempts WHERE delivery_id = ?')
    .pluck()
  const insert = db.prepare(insertInto(deadLetters))
  const tell = eventAcceptor(db)
  return (record) => {
    const { delivery, notices } = record
    const letter = deadLetterRow(record, () => firstAttempt.get(delivery.id) ?? null)
    if (letter === null) return
    insert.run(letter)
    for (const event of notices.ofDeath(letter, delivery.eventType)) tell(event, null)
  }
}

/** What the attempt tells of its lane. */
function laneChanger(db: Database): (record: AttemptRecord) => void {
  const find = db.prepare<[string], Endpoint>(`SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ?`)
  const save = db.prepare(laneUpdate)
  const tell = eventAcceptor(db)
  return ({ delivery: { endpointId, eventType }, lane: result, now, notices }) => {
    const endpoint = result === null ? undefined : find.get(endpointId)
    if (result === null || endpoint === undefined) return
    const change = afterAttempt(endpoint, result, endpoint.kind === 'registered', now)
    const changed = { ...endpoint, ...change.lane, disabledReason: change.disabled ?? endpoint.disabledReason }
    save.run(changed)
    for (const event of notices.ofLane(changed, change, eventType, now)) tell(event, null)
  }
}
