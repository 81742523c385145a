import type { DatabaseTime, WorkerSeen, WorkerStore } from '../store.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'
import { statement } from './statement.ts'

const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
/** A sign of life older than this says nothing about the time any more. */
const FRESH_MS = 60_000

// What the others' clocks say is asked before one's own row could be among the answers.
const others = `SELECT ${NOW} AS now, (SELECT clock_ahead_ms FROM workers
  WHERE id <> @id AND abs(${NOW} - beat_at) < ${FRESH_MS} ORDER BY started_at LIMIT 1) AS "othersAheadMs"`
const time = statement(others)
const enter = statement(
  `INSERT INTO workers (id, beats, started_at, beat_at, clock_ahead_ms)
    VALUES (@id, 0, @now::bigint, ${NOW}, @now::bigint - ${NOW})`,
)
const beat = statement(
  `UPDATE workers SET beats = beats + 1, beat_at = ${NOW}, clock_ahead_ms = @now::bigint - ${NOW} WHERE id = @id`,
)
const strikeOff = statement('DELETE FROM workers WHERE id = @id AND beats = @beats')
const remove = statement('DELETE FROM workers WHERE id = @id')

// A session's advisory lock on a bigint shows its halves in classid and objid, with objsubid 1 (view pg_locks).
const seen = statement(
  `SELECT w.id, w.beats, EXISTS (SELECT 1 FROM pg_locks l
      WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(w.id, 0)) AS connected
    FROM workers w`,
)

export function postgresWorkers(db: Database, session: Session): WorkerStore {
  const askTime = async (id: string): Promise<DatabaseTime> => {
    const [answer] = await db.rows<DatabaseTime>(time({ id }))
    return answer as DatabaseTime
  }
  return {
    async enter(id, now) {
      const answer = await askTime(id)
      await db.changes(enter({ id, now }))
      await session.hold(id)
      return answer
    },
    beat: async (id, now) => ((await db.changes(beat({ id, now }))) > 0 ? askTime(id) : null),
    seen: () => db.rows<WorkerSeen>(seen()),
    strikeOff: async ({ id, beats }) => (await db.changes(strikeOff({ id, beats }))) > 0,
    leave: async (id) => {
      await db.changes(remove({ id }))
    },
  }
}
