import { matchesEvent } from '../../core/event-types.ts'
import { newDeliveryRow } from '../new-rows.ts'
import type { AcceptedEvent, Endpoint, EventRow, EventStore, NewEvent, NewKey } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { orKeyBusy, takeKey } from './idempotency-keys.ts'
import { lockEndpoints } from './lanes.ts'
import { mustWait } from './order.ts'
import { eventPuller } from './pull.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { deliveries, events } from './schema.ts'
import { statement } from './statement.ts'

type Subscriber = Pick<Endpoint, 'id' | 'url' | 'eventTypes' | 'ordering'>

const find = statement(`SELECT ${selectList(events)} FROM events WHERE id = @id`)
const subscribers = statement(
  `SELECT id, url, event_types AS "eventTypes", ordering FROM endpoints
    WHERE tenant_id = @tenantId AND kind = 'registered' AND deleted_at IS NULL`,
)
const addEvent = statement(`${insertRows(events, ['seq', 'xid'])} RETURNING seq`)
const addDeliveries = statement(insertRows(deliveries))

export function postgresEvents(db: Database): EventStore {
  return {
    ...eventPuller(db),
    accept: (event, key) => db.transaction((tx) => acceptEvent(tx, event, key)).catch(orKeyBusy(key)),
    find: async (id) => (await db.rows<EventRow>(find({ id })))[0] ?? null,
  }
}

/** Stores an event with its deliveries. */
export async function acceptEvent(tx: Connection, given: NewEvent, key: NewKey | null): Promise<AcceptedEvent> {
  const { newDeliveryId, expiresAt, ...row } = given
  const { tenantId, id: resourceId, createdAt } = row
  const known = await takeKey(tx, key, { tenantId, resourceId, createdAt })
  if (known !== null) {
    const [made] = await tx.rows<EventRow>(find({ id: known.resourceId ?? '' }))
    return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', event: made }
  }
  const all = await tx.rows<Subscriber>(subscribers({ tenantId }))
  const to = all.filter(({ eventTypes }) => matchesEvent(JSON.parse(eventTypes), row.type))
  const event = { ...row, fanOut: to.length }
  const waiting = await holdOrder(tx, to, row.key)
  const [{ seq } = { seq: 0 }] = await tx.rows<{ seq: number }>(addEvent({ rows: rowsOf(events, [event]) }))
  const rows = to.map(({ id: endpointId, url, ordering }) => {
    const orderKey = ordering === 'fifo' ? row.key : null
    const status = waiting.has(endpointId) ? 'waiting' : 'pending'
    const place = { orderKey, orderSeq: orderKey === null ? null : seq, status } as const
    return newDeliveryRow(event, { id: newDeliveryId(), endpointId, url: url as string, expiresAt, ...place })
  })
  if (rows.length > 0) await tx.changes(addDeliveries({ rows: rowsOf(deliveries, rows) }))
  return { kind: 'created', event, lanes: to.map(({ id }) => id) }
}

/** Where the order of the key is kept, the endpoints are held from before the event gets its place; returns those it waits on. */
async function holdOrder(tx: Connection, to: readonly Subscriber[], key: string | null): Promise<Set<string>> {
  const ids = to.flatMap(({ id, ordering }) => (ordering === 'fifo' && key !== null ? [id] : []))
  if (ids.length === 0 || key === null) return new Set()
  await lockEndpoints(tx, ids)
  return mustWait(tx, ids, key)
}
