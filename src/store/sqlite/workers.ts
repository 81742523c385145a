import type { Database } from 'better-sqlite3'
import type { WorkerSeen, WorkerStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { workers } from './schema.ts'
import { insertInto } from './statements.ts'

/** The database belongs to one process: the only clock is its own, and other workers are of processes that are gone. */
export function sqliteWorkers(db: Database, writer: GroupCommit): WorkerStore {
  const add = db.prepare(insertInto(workers))
  const beat = db.prepare('UPDATE workers SET beats = beats + 1, beat_at = ? WHERE id = ?')
  const seen = db.prepare<[], Omit<WorkerSeen, 'connected'>>('SELECT id, beats FROM workers')
  const strikeOff = db.prepare('DELETE FROM workers WHERE id = ? AND beats = ?')
  const remove = db.prepare('DELETE FROM workers WHERE id = ?')
  return {
    enter: (id, now) =>
      writer.run(() => {
        add.run({ id, beats: 0, startedAt: now, beatAt: now, clockAheadMs: 0 })
        return { now, othersAheadMs: null }
      }),
    beat: (id, now) => writer.run(() => (beat.run(now, id).changes > 0 ? { now, othersAheadMs: null } : null)),
    seen: async () => seen.all().map((worker) => ({ ...worker, connected: false })),
    strikeOff: ({ id, beats }) => writer.run(() => strikeOff.run(id, beats).changes > 0),
    leave: (id) => writer.run(() => void remove.run(id)),
  }
}
