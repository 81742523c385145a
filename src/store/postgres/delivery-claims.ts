import type { Delivery } from '../../core/delivery.ts'
import { charged, claimable, rateRoomAt } from '../../core/lane.ts'
import { lostAttemptRow } from '../settle-rows.ts'
import type { ClaimedDelivery, DeliveryStore, Endpoint, LaneClaim, LaneClaimRequest } from '../store.ts'
import { Batch } from './batch.ts'
import type { Connection, Database, Transaction } from './database.ts'
import { insertRows, recordsOf, rowsOf, selectList } from './rows.ts'
import { attempts, deliveries, endpoints } from './schema.ts'
import { statement } from './statement.ts'
import { WAITING_LANES } from './waiting-lanes.ts'

const UNCLAIMED = 'worker_id = NULL, claimed_at = NULL, claimed_until = NULL'

const dueLanes = statement(
  `${WAITING_LANES}
    SELECT id FROM lane WHERE id IS NOT NULL
      AND (SELECT due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = lane.id
        ORDER BY due_at LIMIT 1) <= @now
      AND NOT EXISTS (SELECT 1 FROM endpoints e
        WHERE e.id = lane.id AND (e.disabled_at IS NOT NULL OR e.paused_until > @now OR e.probe_at > @now))`,
)
// The lanes' locks: one process at a time sees how much is in flight and adds to it. They do not conflict with the
// locks of foreign keys, and are taken in order, so that two groups with the same lanes wait for each other.
const lockLanes = statement(
  `SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ANY (@laneIds) ORDER BY id FOR NO KEY UPDATE`,
)
const setRates = statement(
  `UPDATE endpoints SET rate_tat = r.tat FROM json_to_recordset(@rates) AS r (id text, tat float8)
    WHERE endpoints.id = r.id`,
)
/** The worker's row is kept from being struck off while it claims. */
const keepListed = statement('SELECT id FROM workers WHERE id = ANY (@workerIds) FOR KEY SHARE')
// Read after the locks, so that it sees what whoever had them before has claimed.
const inFlight = statement(
  `SELECT endpoint_id AS "laneId", count(*) AS count FROM deliveries
    WHERE endpoint_id = ANY (@laneIds) AND status = 'delivering' GROUP BY endpoint_id`,
)
const due = statement(
  `SELECT lane.id AS "laneId", d.id FROM json_to_recordset(@lanes) AS lane (id text, now bigint, "limit" int),
    LATERAL (SELECT id, due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = lane.id
      AND due_at <= lane.now ORDER BY due_at, id LIMIT lane."limit") d ORDER BY d.due_at, d.id`,
)
// Asked so, no partial index of what is due looks fit to find a few ids in it.
const take = statement(
  `WITH taken AS (UPDATE deliveries SET status = 'delivering', claim_no = claim_no + 1, attempts = attempts + 1,
        worker_id = c."workerId", claimed_at = c.now, claimed_until = c.now + c."leaseMs"
      FROM json_to_recordset(@claims) AS c (id text, "workerId" text, now bigint, "leaseMs" bigint)
      WHERE deliveries.id = c.id AND status IS NOT DISTINCT FROM 'pending' RETURNING deliveries.*)
    SELECT ${selectList(deliveries, 'd')}, e.body, e.traceparent FROM taken d JOIN events e ON e.id = d.event_id
      ORDER BY d.due_at, d.id`,
)
const lost = statement(
  `SELECT ${selectList(deliveries)} FROM deliveries
    WHERE status = 'delivering' AND (claimed_until < @now
      OR NOT EXISTS (SELECT 1 FROM workers WHERE id = deliveries.worker_id))
    LIMIT @limit FOR NO KEY UPDATE SKIP LOCKED`,
)
const release = statement(
  `UPDATE deliveries SET status = 'pending', attempts = attempts - 1, due_at = @now, ${UNCLAIMED} WHERE id = ANY (@ids)`,
)
const addAttempts = statement(insertRows(attempts))
const releaseUnknown = statement(
  `UPDATE deliveries SET status = 'pending', attempts = attempts - 1, ${UNCLAIMED}
    WHERE status = 'delivering' AND worker_id = @workerId AND id <> ALL (@known)`,
)

type Claimer = Pick<DeliveryStore, 'dueLanes' | 'claim' | 'releaseLost' | 'releaseUnknown'>

/** The verbs by which deliveries get from their lane to a process and back. */
export function deliveryClaimer(db: Database): Claimer {
  const write = (requests: LaneClaimRequest[]) => db.transaction((tx) => claimAll(tx, requests))
  const claims = new Batch(write, () => 0)
  return {
    dueLanes: async (now) => (await db.rows<{ id: string }>(dueLanes({ now }))).map(({ id }) => id),
    claim: (request) => claims.run(request),
    releaseLost: (now, limit) => db.transaction((tx) => releaseLost(tx, now, limit)),
    releaseUnknown: (workerId, known) => db.changes(releaseUnknown({ workerId, known })),
  }
}

async function claimAll(tx: Transaction, requests: readonly LaneClaimRequest[]): Promise<LaneClaim[]> {
  // A lane that is asked for twice is claimed once; the other one finds out whether there is more.
  const first = new Map([...requests].reverse().map((request) => [request.laneId, request]))
  const laneIds = [...first.keys()]
  const wanted = [...first.values()]
  // One after the other, in this order; nothing of them needs the answer to another.
  const [found, listed, flying, ids] = await Promise.all([
    tx.rows<Endpoint>(lockLanes({ laneIds })),
    tx.rows<{ id: string }>(keepListed({ workerIds: wanted.map(({ workerId }) => workerId) })),
    tx.rows<{ laneId: string; count: number }>(inFlight({ laneIds })),
    dueOf(tx, wanted),
  ])
  const lanes = new Map(found.map((lane) => [lane.id, lane]))
  const places = freePlaces(wanted, lanes, {
    workers: new Set(listed.map(({ id }) => id)),
    inFlight: new Map(flying.map(({ laneId, count }) => [laneId, count])),
  })
  const claims = wanted.flatMap(({ laneId, workerId, now, leaseMs }) =>
    (ids.get(laneId) ?? []).slice(0, places.get(laneId)).map((id) => ({ id, workerId, now, leaseMs })),
  )
  const takeAll = () => tx.rows<ClaimedDelivery>(take({ claims: recordsOf(claims) }))
  const rated = found.some(({ rateLimitPerS }) => rateLimitPerS !== null)
  const rows = claims.length === 0 ? [] : await (rated ? takeAll() : tx.last(takeAll()))
  const taken = Map.groupBy(rows, (delivery) => delivery.endpointId)
  const rates = await charge(tx, wanted, lanes, taken)
  return requests.map((request) => {
    const { laneId, now } = request
    const lane = lanes.get(laneId) ?? null
    const more = (ids.get(laneId)?.length ?? 0) > (places.get(laneId) ?? 0)
    return {
      lane,
      deliveries: first.get(laneId) === request ? (taken.get(laneId) ?? []) : [],
      more,
      roomAt: lane && more ? rateRoomAt({ ...lane, rateTat: rates.get(laneId) ?? lane.rateTat }, now) : null,
    }
  })
}

/** What was claimed counts for the rates of the lanes that have one. */
async function charge(
  tx: Connection,
  requests: readonly LaneClaimRequest[],
  lanes: ReadonlyMap<string, Endpoint>,
  taken: ReadonlyMap<string, readonly ClaimedDelivery[]>,
): Promise<Map<string, number>> {
  const rates = requests.flatMap(({ laneId, now }): [string, number][] => {
    const lane = lanes.get(laneId)
    const tat = lane && charged(lane, taken.get(laneId)?.length ?? 0, now)
    return tat == null || tat === lane?.rateTat ? [] : [[laneId, tat]]
  })
  if (rates.length > 0) await tx.changes(setRates({ rates: recordsOf(rates.map(([id, tat]) => ({ id, tat }))) }))
  return new Map(rates)
}

/** How many deliveries each request may have. */
function freePlaces(
  requests: readonly LaneClaimRequest[],
  lanes: ReadonlyMap<string, Endpoint>,
  held: { workers: ReadonlySet<string>; inFlight: ReadonlyMap<string, number> },
): Map<string, number> {
  return new Map(
    requests.map(({ laneId, workerId, limit, now, exceptTenants }) => {
      const lane = lanes.get(laneId)
      const idle = lane === undefined || exceptTenants.has(lane.tenantId) || !held.workers.has(workerId)
      return [laneId, idle ? 0 : claimable(lane, held.inFlight.get(laneId) ?? 0, limit, now)]
    }),
  )
}

/** What is due on each lane, and one more than was asked for. */
async function dueOf(tx: Connection, requests: readonly LaneClaimRequest[]): Promise<Map<string, string[]>> {
  const wanted = requests.map(({ laneId, now, limit }) => ({ id: laneId, now, limit: limit + 1 }))
  const rows = await tx.rows<{ laneId: string; id: string }>(due({ lanes: recordsOf(wanted) }))
  const ids = new Map<string, string[]>()
  for (const { laneId, id } of rows) ids.set(laneId, [...(ids.get(laneId) ?? []), id])
  return ids
}

/** What a process that died held is due again; its attempts stay on record as lost. */
async function releaseLost(tx: Connection, now: number, limit: number): Promise<number> {
  const rows = await tx.rows<Delivery>(lost({ now, limit }))
  if (rows.length === 0) return 0
  await tx.changes(release({ ids: rows.map(({ id }) => id), now }))
  const records = rows.map((delivery) => lostAttemptRow(delivery, now))
  await tx.changes(addAttempts({ rows: rowsOf(attempts, records) }))
  return rows.length
}
