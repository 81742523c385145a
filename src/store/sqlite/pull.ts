import type { Database } from 'better-sqlite3'
import type { EventPlace, EventStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer } from './idempotency-keys.ts'
import type { Reader } from './reader.ts'

/** Before all that is there: numbers of events count from 1, those of transactions are 0 here. */
const START = { xid: -1, seq: 0 }

const AFTER = `SELECT id, type, octet_length(body) FROM events
  WHERE tenant_id = ? AND (xid, seq) > (?, ?) ORDER BY xid, seq LIMIT ?`
const BODIES = `SELECT id, body FROM events
  WHERE tenant_id = ? AND id IN (SELECT value FROM json_each(?)) AND body <> ''`

/** The verbs by which events are pulled. One connection writes, so events become visible in the order of their numbers. */
export function eventPuller(
  db: Database,
  writer: GroupCommit,
  reader: Reader,
): Pick<EventStore, 'after' | 'latest' | 'bodies' | 'purge'> {
  const find = db.prepare<[string, string], typeof START>('SELECT xid, seq FROM events WHERE id = ? AND tenant_id = ?')
  const latest = db
    .prepare<[string], string>('SELECT id FROM events WHERE tenant_id = ? ORDER BY xid DESC, seq DESC LIMIT 1')
    .pluck()
  // By their numbers, from the oldest to the first that is young enough: there is no index on the time.
  const purge = db.prepare<{ before: number; limit: number }, string>(
    `DELETE FROM events WHERE seq IN (SELECT seq FROM events
      WHERE fan_out = 0 AND created_at <= @before
        AND seq < coalesce((SELECT seq FROM events WHERE created_at > @before ORDER BY seq LIMIT 1), 9e18)
      ORDER BY seq LIMIT @limit) RETURNING id`,
  )
  purge.pluck()
  const freeKey = keyFreer(db)
  return {
    after: async (tenantId, after, limit) => {
      const { xid, seq } = (after === null ? undefined : find.get(after, tenantId)) ?? START
      const query = { sql: AFTER, params: [tenantId, xid, seq, limit] }
      return { places: await reader.rows<EventPlace>(['id', 'type', 'bytes'], query), unsettled: false }
    },
    latest: async (tenantId) => latest.get(tenantId) ?? null,
    bodies: async (tenantId, ids) => {
      const query = { sql: BODIES, params: [tenantId, JSON.stringify(ids)] }
      const rows = await reader.rows<{ id: string; body: string }>(['id', 'body'], query)
      return new Map(rows.map(({ id, body }) => [id, body]))
    },
    purge: (before, limit) =>
      writer.run(() => {
        const ids = purge.all({ before, limit })
        for (const id of ids) freeKey(id)
        return ids.length
      }),
  }
}
