import { doubled, halved } from '../../core/lane.ts'
import { deadLetterRow, settledColumns } from '../settle-rows.ts'
import type { AttemptRecord, DeliveryStore, Lane } from '../store.ts'
import { Batch } from './batch.ts'
import type { Connection, Database } from './database.ts'
import { insertRows, recordsOf, rowsOf } from './rows.ts'
import { attempts, deadLetters } from './schema.ts'
import { statement } from './statement.ts'

// Locked in order first, so that two groups with the same deliveries wait for each other.
const settle = statement(
  `WITH settled AS (SELECT * FROM json_to_recordset(@records) AS s (id text, "claimNo" int, status text,
        "dueAt" bigint, "finishedAt" bigint, "lastStatus" int, "errorClass" text, error text)),
      locked AS MATERIALIZED (
        SELECT id FROM deliveries WHERE id IN (SELECT id FROM settled) ORDER BY id FOR NO KEY UPDATE)
    UPDATE deliveries SET status = s.status, due_at = s."dueAt", finished_at = s."finishedAt",
        last_status = s."lastStatus", last_error_class = s."errorClass", last_error = s.error,
        worker_id = NULL, claimed_at = NULL, claimed_until = NULL
      FROM settled s JOIN locked USING (id)
      WHERE deliveries.id = s.id AND deliveries.claim_no = s."claimNo" AND deliveries.status = 'delivering'
      RETURNING deliveries.id`,
)
const addAttempts = statement(insertRows(attempts))
const firstAttempts = statement(
  `SELECT delivery_id AS "deliveryId", min(started_at) AS at FROM attempts
    WHERE delivery_id = ANY (@ids) GROUP BY delivery_id`,
)
const addLetters = statement(insertRows(deadLetters))
// Their jobs were erased while they were on their way: now they need not be sent any more.
const wipe = statement(
  `UPDATE events SET body = '' WHERE id = ANY (@eventIds) AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = events.job_id)`,
)
const lockLanes = statement(
  `SELECT id, concurrency, max_concurrency AS "maxConcurrency", kind, paused_until AS "pausedUntil",
    disabled_at AS "disabledAt" FROM endpoints WHERE id = ANY (@ids) ORDER BY id FOR NO KEY UPDATE`,
)
const changeLanes = statement(
  `UPDATE endpoints SET concurrency = l.concurrency, paused_until = l."pausedUntil", disabled_at = l."disabledAt"
    FROM json_to_recordset(@lanes) AS l (id text, concurrency int, "pausedUntil" bigint, "disabledAt" bigint)
    WHERE endpoints.id = l.id`,
)

/** Writes attempts and all they mean, each fenced by the claim it was made under. */
export function attemptRecorder(db: Database): DeliveryStore['record'] {
  const write = (records: AttemptRecord[]) =>
    db.transaction(async (tx) => {
      const settled = await tx.rows<{ id: string }>(settle({ records: recordsOf(records.map(settledColumns)) }))
      const ids = new Set(settled.map(({ id }) => id))
      const kept = records.filter(({ delivery }) => ids.has(delivery.id))
      if (kept.length > 0) await recordAll(tx, kept)
      return records.map(({ delivery }) => ids.has(delivery.id))
    })
  const batch = new Batch(
    write,
    ({ attempt }) => attempt.responseBody?.length ?? 0,
    ({ delivery }) => delivery.id,
  )
  return (record) => batch.run(record)
}

async function recordAll(tx: Connection, records: readonly AttemptRecord[]): Promise<void> {
  const rows = records.map(({ attempt }) => attempt)
  await tx.changes(addAttempts({ rows: rowsOf(attempts, rows) }))
  await bury(tx, records)
  const ended = records.filter(({ decision, delivery }) => decision.next !== 'retry' && delivery.jobId !== null)
  const eventIds = ended.map(({ delivery }) => delivery.eventId)
  if (eventIds.length > 0) await tx.changes(wipe({ eventIds }))
  await changeAll(tx, records)
}

/** Deliveries that were given up get their dead letters. */
async function bury(tx: Connection, records: readonly AttemptRecord[]): Promise<void> {
  const ids = records.flatMap(({ decision, delivery }) => (decision.next === 'dead' ? [delivery.id] : []))
  if (ids.length === 0) return
  const found = await tx.rows<{ deliveryId: string; at: number }>(firstAttempts({ ids }))
  const first = new Map(found.map(({ deliveryId, at }) => [deliveryId, at]))
  const letters = records.flatMap((record) => deadLetterRow(record, first.get(record.delivery.id) ?? null) ?? [])
  await tx.changes(addLetters({ rows: rowsOf(deadLetters, letters) }))
}

type LaneRow = Pick<Lane, 'id' | 'concurrency' | 'maxConcurrency' | 'pausedUntil' | 'disabledAt'> & { kind: string }

/** A success on a healthy lane changes nothing, so that a busy endpoint's row is not written for each delivery. */
async function changeAll(tx: Connection, records: readonly AttemptRecord[]): Promise<void> {
  const changing = records.filter(({ lane, growLane }) => lane !== null || growLane)
  if (changing.length === 0) return
  const ids = [...new Set(changing.map(({ delivery }) => delivery.endpointId))]
  const lanes = new Map((await tx.rows<LaneRow>(lockLanes({ ids }))).map((lane) => [lane.id, lane]))
  for (const record of changing) {
    const lane = lanes.get(record.delivery.endpointId)
    if (lane !== undefined) lanes.set(lane.id, changed(lane, record))
  }
  await tx.changes(changeLanes({ lanes: recordsOf([...lanes.values()]) }))
}

function changed(lane: LaneRow, { lane: effect, growLane, now }: AttemptRecord): LaneRow {
  const concurrency = effect?.halve ? halved(lane) : growLane ? doubled(lane) : lane.concurrency
  const pausedUntil = effect?.pauseUntil == null ? lane.pausedUntil : Math.max(lane.pausedUntil ?? 0, effect.pauseUntil)
  const disabledAt = effect?.disable && lane.kind === 'registered' ? (lane.disabledAt ?? now) : lane.disabledAt
  return { ...lane, concurrency, pausedUntil, disabledAt }
}
