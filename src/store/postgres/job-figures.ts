import type { JobStore } from '../store.ts'
import type { Database } from './database.ts'
import { recordsOf } from './rows.ts'
import { statement } from './statement.ts'

type Figures = Pick<JobStore, 'position' | 'countReady' | 'runTimes' | 'saveRunTimes'>

// Both stop counting at the limit, so that they cost the same with a million jobs as with a thousand.
const ahead = statement(
  `SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue = 'ready' AND type = @type
    AND (priority, due_at, id) < (@priority, @dueAt, @id) LIMIT @limit) AS jobs`,
)
const ready = statement("SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue = 'ready' LIMIT @limit) AS jobs")
const runTimes = statement('SELECT type, mean_run_ms AS "meanRunMs" FROM type_stats')
const save = statement(
  `INSERT INTO type_stats (type, mean_run_ms, updated_at)
    SELECT type, mean, @now FROM json_to_recordset(@means) AS m (type text, mean float8) ORDER BY type
    ON CONFLICT (type) DO UPDATE SET mean_run_ms = excluded.mean_run_ms, updated_at = excluded.updated_at`,
)

/** What is counted and measured of the queue. */
export function jobFigures(db: Database): Figures {
  const count = async (query: ReturnType<typeof ready>) => (await db.rows<{ count: number }>(query))[0]?.count ?? 0
  return {
    position: async ({ id, type, priority, dueAt, queue }, limit) =>
      queue === 'ready' ? count(ahead({ id, type, priority, dueAt, limit })) : null,
    countReady: (limit) => count(ready({ limit })),
    runTimes: async () => {
      const rows = await db.rows<{ type: string; meanRunMs: number }>(runTimes())
      return new Map(rows.map(({ type, meanRunMs }) => [type, meanRunMs]))
    },
    saveRunTimes: async (meansMs, now) => {
      const means = recordsOf([...meansMs].map(([type, mean]) => ({ type, mean })))
      await db.changes(save({ means, now }))
    },
  }
}
