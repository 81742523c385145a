import { afterAttempt } from '../../core/lane.ts'
import { deadLetterRow, settledColumns } from '../settle-rows.ts'
import type { AttemptRecord, DeliveryStore, NewEvent } from '../store.ts'
import { Batch } from './batch.ts'
import type { Connection, Database, Transaction } from './database.ts'
import { acceptEvent } from './events.ts'
import { lockEndpoints, saveLanes } from './lanes.ts'
import { releaseNext } from './order.ts'
import { insertRows, recordsOf, rowsOf } from './rows.ts'
import { attempts, deadLetters } from './schema.ts'
import { statement } from './statement.ts'

// Locked in order first, so that two groups with the same deliveries wait for each other. One by one by their ids, and
// judged by what the lock has shown: a condition on the table itself would let the planner begin with the partial index
// of those in flight, which its figures say is empty, and the order alone would let it walk the whole primary key.
const settle = statement(
  `WITH settled AS (SELECT * FROM json_to_recordset(@records) AS s (id text, "claimNo" int, status text,
        "dueAt" bigint, "finishedAt" bigint, "lastStatus" int, "errorClass" text, error text)),
      held AS MATERIALIZED (SELECT s.*, d.claim_no AS held_claim_no, d.status AS held_status
        FROM (SELECT * FROM settled ORDER BY id) s
        CROSS JOIN LATERAL (SELECT claim_no, status FROM deliveries WHERE id = s.id FOR NO KEY UPDATE) d)
    UPDATE deliveries SET status = s.status, due_at = s."dueAt", finished_at = s."finishedAt",
        last_status = s."lastStatus", last_error_class = s."errorClass", last_error = s.error,
        worker_id = NULL, claimed_at = NULL, claimed_until = NULL
      FROM held s WHERE deliveries.id = s.id AND s.held_claim_no = s."claimNo" AND s.held_status = 'delivering'
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

async function recordAll(tx: Transaction, records: readonly AttemptRecord[]): Promise<void> {
  const rows = records.map(({ attempt }) => attempt)
  const ended = records.filter(({ decision, delivery }) => decision.next !== 'retry' && delivery.jobId !== null)
  const eventIds = ended.map(({ delivery }) => delivery.eventId)
  const written = Promise.all([
    tx.changes(addAttempts({ rows: rowsOf(attempts, rows) })),
    eventIds.length > 0 ? tx.changes(wipe({ eventIds })) : null,
  ])
  const dead = records.filter(({ decision }) => decision.next === 'dead')
  const changing = records.filter(({ lane }) => lane !== null)
  const ordered = records.filter(({ delivery, decision }) => decision.next !== 'retry' && delivery.orderKey !== null)
  const isLast = dead.length + changing.length + ordered.length === 0
  await (isLast ? tx.last(written) : written)
  await bury(tx, dead)
  await changeLanes(tx, changing, ordered)
}

/** Deliveries that were given up get their dead letters. */
async function bury(tx: Connection, records: readonly AttemptRecord[]): Promise<void> {
  if (records.length === 0) return
  const ids = records.map(({ delivery }) => delivery.id)
  const found = await tx.rows<{ deliveryId: string; at: number }>(firstAttempts({ ids }))
  const first = new Map(found.map(({ deliveryId, at }) => [deliveryId, at]))
  const letters = records.flatMap((record) => deadLetterRow(record, () => first.get(record.delivery.id) ?? null) ?? [])
  await tx.changes(addLetters({ rows: rowsOf(deadLetters, letters) }))
  const byDelivery = new Map(letters.map((letter) => [letter.deliveryId, letter]))
  for (const { delivery, notices } of records) {
    const letter = byDelivery.get(delivery.id)
    const events = letter === undefined ? [] : notices.ofDeath(letter, delivery.eventType)
    for (const event of events) await acceptEvent(tx, event, null)
  }
}

/** Lanes that learn something, or whose next delivery of a key goes, are held until the commit. */
async function changeLanes(
  tx: Connection,
  changing: readonly AttemptRecord[],
  ordered: readonly AttemptRecord[],
): Promise<void> {
  const ids = [...new Set([...changing, ...ordered].map(({ delivery }) => delivery.endpointId))]
  if (ids.length === 0) return
  const lanes = await lockEndpoints(tx, ids)
  const news: NewEvent[] = []
  for (const { delivery, lane: result, now, notices } of changing) {
    const endpoint = lanes.get(delivery.endpointId)
    if (endpoint === undefined || result === null) continue
    const change = afterAttempt(endpoint, result, endpoint.kind === 'registered', now)
    const changed = { ...endpoint, ...change.lane, disabledReason: change.disabled ?? endpoint.disabledReason }
    lanes.set(endpoint.id, changed)
    news.push(...notices.ofLane(changed, change, delivery.eventType, now))
  }
  await saveLanes(tx, [...lanes.values()])
  for (const event of news) await acceptEvent(tx, event, null)
  await releaseNext(
    tx,
    ordered.map(({ delivery, now }) => ({ delivery, now })),
  )
}
