import type { Database } from 'better-sqlite3'
import type { JobStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Reader } from './reader.ts'

type Figures = Pick<JobStore, 'position' | 'countReady' | 'runTimes' | 'saveRunTimes'>

/** What is counted and measured of the queue. */
export function jobFigures(db: Database, writer: GroupCommit, reader: Reader): Figures {
  // Both stop counting at the limit, so that they cost the same with a million jobs as with a thousand.
  const ahead = db
    .prepare<[object], number>(
      `SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue = 'ready' AND type = @type
        AND (priority, due_at, id) < (@priority, @dueAt, @id) LIMIT @limit)`,
    )
    .pluck()
  const runTimes = db.prepare<[], { type: string; meanRunMs: number }>(
    'SELECT type, mean_run_ms AS meanRunMs FROM type_stats',
  )
  const save = db.prepare(
    `INSERT INTO type_stats (type, mean_run_ms, updated_at) VALUES (?, ?, ?)
      ON CONFLICT (type) DO UPDATE SET mean_run_ms = excluded.mean_run_ms, updated_at = excluded.updated_at`,
  )
  return {
    position: async ({ id, type, priority, dueAt, queue }, limit) =>
      queue === 'ready' ? (ahead.get({ id, type, priority, dueAt, limit }) as number) : null,
    countReady: async (limit) => {
      const sql = "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue = 'ready' LIMIT ?)"
      const [row] = await reader.rows<{ count: number }>(['count'], { sql, params: [limit] })
      return row?.count ?? 0
    },
    runTimes: async () => new Map(runTimes.all().map(({ type, meanRunMs }) => [type, meanRunMs])),
    saveRunTimes: (meansMs, now) =>
      writer.run(() => {
        for (const [type, mean] of meansMs) save.run(type, mean, now)
      }),
  }
}
