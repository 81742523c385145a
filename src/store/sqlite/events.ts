import type { Database } from 'better-sqlite3'
import { matchesEvent } from '../../core/event-types.ts'
import { newDeliveryRow } from '../new-rows.ts'
import type { AcceptedEvent, Endpoint, EventRow, EventStore, NewEvent, NewKey } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyTaker } from './idempotency-keys.ts'
import { orderKeeper } from './order.ts'
import { eventPuller } from './pull.ts'
import type { Reader } from './reader.ts'
import { deliveries, events } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

const FIND = `SELECT ${selectList(events)} FROM events WHERE id = ?`

type Subscriber = Pick<Endpoint, 'id' | 'url' | 'eventTypes' | 'ordering'>

export function sqliteEvents(db: Database, writer: GroupCommit, reader: Reader): EventStore {
  const accept = eventAcceptor(db)
  const find = db.prepare<[string], EventRow>(FIND)
  return {
    ...eventPuller(db, writer, reader),
    accept: (event, key) => writer.run(() => accept(event, key)),
    find: async (id) => find.get(id) ?? null,
  }
}

/** To be called inside a transaction. */
export function eventAcceptor(db: Database) {
  const takeKey = keyTaker(db)
  const find = db.prepare<[string], EventRow>(FIND)
  const subscribers = db.prepare<[string], Subscriber>(
    `SELECT id, url, event_types AS eventTypes, ordering FROM endpoints
      WHERE tenant_id = ? AND kind = 'registered' AND deleted_at IS NULL`,
  )
  const addEvent = db.prepare(insertInto(events, ['seq', 'xid']))
  const addDelivery = db.prepare(insertInto(deliveries))
  const order = orderKeeper(db)
  return ({ newDeliveryId, expiresAt, ...given }: NewEvent, key: NewKey | null): AcceptedEvent => {
    const { tenantId, id: resourceId, createdAt } = given
    const taken = takeKey(key, { tenantId, resourceId, createdAt })
    if (taken !== null) {
      const made = taken.resourceId === undefined ? undefined : find.get(taken.resourceId)
      return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', event: made }
    }
    const to = subscribers.all(tenantId).filter(({ eventTypes }) => matchesEvent(JSON.parse(eventTypes), given.type))
    const event = { ...given, fanOut: to.length }
    const seq = Number(addEvent.run(event).lastInsertRowid)
    for (const { id: endpointId, url, ordering } of to) {
      const orderKey = ordering === 'fifo' ? event.key : null
      const waits = orderKey !== null && order.mustWait(endpointId, orderKey)
      const place = {
        orderKey,
        orderSeq: orderKey === null ? null : seq,
        status: waits ? 'waiting' : 'pending',
      } as const
      const where = { id: newDeliveryId(), endpointId, url: url as string, expiresAt }
      addDelivery.run(newDeliveryRow(event, { ...where, ...place }))
    }
    return { kind: 'created', event, lanes: to.map(({ id }) => id) }
  }
}
