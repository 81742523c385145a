import type { EventPlace, EventStore } from '../store.ts'
import type { Database } from './database.ts'
import { freeKeys } from './idempotency-keys.ts'
import { statement } from './statement.ts'

// Events get their numbers (seq) when they are stored and become visible when their transaction commits, so one with
// a lower number may appear after a higher one was shown. They are pulled in the order of their transactions' numbers
// (xid, then seq), and only those of transactions below the oldest that is still open: nothing that commits later has
// a number below that one. Any transaction of the server that writes holds it back for as long as it is open.

/** Before all that is there. */
const START = { xid: Number.MIN_SAFE_INTEGER, seq: 0 }
const IS_SETTLED = 'xid < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint'

const find = statement('SELECT xid, seq FROM events WHERE id = @id AND tenant_id = @tenantId')
const after = statement(
  `SELECT id, type, octet_length(body) AS bytes, ${IS_SETTLED} AS settled FROM events
    WHERE tenant_id = @tenantId AND (xid, seq) > (@xid::bigint, @seq::bigint) ORDER BY xid, seq LIMIT @limit`,
)
const latest = statement(
  `SELECT id FROM events WHERE tenant_id = @tenantId AND ${IS_SETTLED} ORDER BY xid DESC, seq DESC LIMIT 1`,
)
const bodies = statement("SELECT id, body FROM events WHERE tenant_id = @tenantId AND id = ANY (@ids) AND body <> ''")
// By their numbers, from the oldest to the first that is young enough: there is no index on the time.
const purge = statement(
  `DELETE FROM events WHERE seq IN (SELECT seq FROM events
    WHERE fan_out = 0 AND created_at <= @before
      AND seq < coalesce((SELECT seq FROM events WHERE created_at > @before ORDER BY seq LIMIT 1), 9223372036854775807)
    ORDER BY seq LIMIT @limit) RETURNING id`,
)

/** The verbs by which events are pulled. */
export function eventPuller(db: Database): Pick<EventStore, 'after' | 'latest' | 'bodies' | 'purge'> {
  return {
    after: async (tenantId, id, limit) => {
      const [place = START] = id === null ? [] : await db.rows<typeof START>(find({ id, tenantId }))
      const rows = await db.rows<EventPlace & { settled: boolean }>(after({ tenantId, ...place, limit }))
      const places = rows.flatMap(({ settled, ...event }) => (settled ? [event] : []))
      return { places, unsettled: places.length < rows.length }
    },
    latest: async (tenantId) => (await db.rows<{ id: string }>(latest({ tenantId })))[0]?.id ?? null,
    bodies: async (tenantId, ids) => {
      const rows = await db.rows<{ id: string; body: string }>(bodies({ tenantId, ids }))
      return new Map(rows.map(({ id, body }) => [id, body]))
    },
    purge: (before, limit) =>
      db.transaction(async (tx) => {
        const ids = (await tx.rows<{ id: string }>(purge({ before, limit }))).map(({ id }) => id)
        await freeKeys(tx, ids)
        return ids.length
      }),
  }
}

// Tenant by tenant, since there is an index for that.
const newest =
  '(SELECT max(e.xid) FROM tenants t, LATERAL (SELECT xid FROM events WHERE tenant_id = t.id ORDER BY xid DESC LIMIT 1) e)'

/**
 * What a dump brought from another server may have numbers of transactions that are still to come here: it would be
 * hidden until then, and be mixed with what is new. All are moved below zero together, so that their order stays.
 * A cursor names an event, so it goes on where it stood. To be called alone, before anything is written.
 */
export const rebaseEvents = `UPDATE events SET xid = xid - (${newest} + 1)
  WHERE ${newest} >= (pg_snapshot_xmax(pg_current_snapshot())::text)::bigint`
