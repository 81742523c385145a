import type { Database } from 'better-sqlite3'
import type { Delivery } from '../../core/delivery.ts'
import { charged, claimable, rateRoomAt } from '../../core/lane.ts'
import { lostAttemptRow } from '../settle-rows.ts'
import type { ClaimedDelivery, DeliveryStore, Endpoint, LaneClaim, LaneClaimRequest } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { attempts, deliveries, endpoints } from './schema.ts'
import { insertInto, selectList } from './statements.ts'
import { WAITING_LANES } from './waiting-lanes.ts'

const UNCLAIMED = 'worker_id = NULL, claimed_at = NULL, claimed_until = NULL'

type Claimer = Pick<DeliveryStore, 'dueLanes' | 'claim' | 'releaseLost' | 'releaseUnknown'>

/** The verbs by which deliveries get from their lane to a process and back. */
export function deliveryClaimer(db: Database, writer: GroupCommit): Claimer {
  const claim = laneClaimer(db)
  const dueLanes = db
    .prepare<[{ now: number }], string>(
      `${WAITING_LANES}
      SELECT id FROM lane WHERE id IS NOT NULL
        AND (SELECT min(due_at) FROM deliveries WHERE status = 'pending' AND endpoint_id = lane.id) <= @now
        AND NOT EXISTS (SELECT 1 FROM endpoints e
          WHERE e.id = lane.id AND (e.disabled_at IS NOT NULL OR e.paused_until > @now OR e.probe_at > @now))`,
    )
    .pluck()
  const releaseUnknown = db.prepare(
    `UPDATE deliveries SET status = 'pending', attempts = attempts - 1, ${UNCLAIMED}
      WHERE status = 'delivering' AND worker_id = ? AND id NOT IN (SELECT value FROM json_each(?))`,
  )
  return {
    dueLanes: async (now) => dueLanes.all({ now }) as string[],
    claim: (request) => writer.run(() => claim(request)),
    releaseLost: lostReleaser(db, writer),
    releaseUnknown: (workerId, known) => writer.run(() => releaseUnknown.run(workerId, JSON.stringify(known)).changes),
  }
}

function laneClaimer(db: Database): (request: LaneClaimRequest) => LaneClaim {
  const findLane = db.prepare<[string], Endpoint>(`SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ?`)
  const setRate = db.prepare('UPDATE endpoints SET rate_tat = ? WHERE id = ?')
  const countInFlight = db
    .prepare<[string], number>("SELECT count(*) FROM deliveries WHERE endpoint_id = ? AND status = 'delivering'")
    .pluck()
  const due = db
    .prepare<[string, number, number], string>(
      `SELECT id FROM deliveries WHERE status = 'pending' AND endpoint_id = ? AND due_at <= ?
        ORDER BY due_at, id LIMIT ?`,
    )
    .pluck()
  const take = db.prepare<[object], Omit<ClaimedDelivery, 'body' | 'traceparent'>>(
    `UPDATE deliveries SET status = 'delivering', claim_no = claim_no + 1, attempts = attempts + 1,
      worker_id = @workerId, claimed_at = @now, claimed_until = @now + @leaseMs
      WHERE id = @id RETURNING ${selectList(deliveries)}`,
  )
  const listed = db.prepare('SELECT 1 FROM workers WHERE id = ?')
  const event = db.prepare<[string], { body: string; traceparent: string }>(
    'SELECT body, traceparent FROM events WHERE id = ?',
  )
  return ({ laneId, workerId, now, limit, leaseMs, exceptTenants }) => {
    const lane = findLane.get(laneId) ?? null
    const idle = lane === null || exceptTenants.has(lane.tenantId) || listed.get(workerId) === undefined
    const places = idle ? 0 : claimable(lane, countInFlight.get(laneId) as number, limit, now)
    const ids = due.all(laneId, now, places + 1) as string[]
    const taken = ids.slice(0, places).map((id) => {
      const delivery = take.get({ id, workerId, now, leaseMs }) as Delivery
      return { ...delivery, ...(event.get(delivery.eventId) as { body: string; traceparent: string }) }
    })
    const rateTat = lane && charged(lane, taken.length, now)
    if (rateTat !== null && rateTat !== lane?.rateTat) setRate.run(rateTat, laneId)
    const more = ids.length > places
    return { lane, deliveries: taken, more, roomAt: lane && more ? rateRoomAt({ ...lane, rateTat }, now) : null }
  }
}

/** What a process that died held is due again; its attempts stay on record as lost. */
function lostReleaser(db: Database, writer: GroupCommit): DeliveryStore['releaseLost'] {
  const lost = db.prepare<[number, number], Delivery>(
    `SELECT ${selectList(deliveries)} FROM deliveries
      WHERE status = 'delivering' AND (claimed_until < ?
        OR NOT EXISTS (SELECT 1 FROM workers WHERE id = deliveries.worker_id)) LIMIT ?`,
  )
  const release = db.prepare(
    `UPDATE deliveries SET status = 'pending', attempts = attempts - 1, due_at = @now, ${UNCLAIMED} WHERE id = @id`,
  )
  const insertAttempt = db.prepare(insertInto(attempts))
  return (now, limit) =>
    writer.run(() => {
      const rows = lost.all(now, limit)
      for (const delivery of rows) {
        release.run({ id: delivery.id, now })
        insertAttempt.run(lostAttemptRow(delivery, now))
      }
      return rows.length
    })
}
