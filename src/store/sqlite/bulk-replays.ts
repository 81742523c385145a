import type { Database } from 'better-sqlite3'
import { ADMINS } from '../admins.ts'
import { changedReplay } from '../replay-rows.ts'
import type { AddedReplay, BulkReplay, ChangedReplay, ReplayStore } from '../store.ts'
import { previewLetters } from './dead-letters.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer, keyTaker } from './idempotency-keys.ts'
import type { Reader } from './reader.ts'
import { replayStepper } from './replay-step.ts'
import { auditLog, replays } from './schema.ts'
import { insertInto, selectList } from './statements.ts'

const ALL = selectList(replays)

export function sqliteReplays(db: Database, writer: GroupCommit, reader: Reader): ReplayStore {
  const get = db.prepare<[string], BulkReplay>(`SELECT ${ALL} FROM replays WHERE id = ?`)
  const list = db.prepare<[object], BulkReplay>(
    `SELECT ${ALL} FROM replays WHERE (@status IS NULL OR status = @status) AND (@before IS NULL OR id < @before)
      ORDER BY id DESC LIMIT @limit`,
  )
  const running = db.prepare<[], string>("SELECT id FROM replays WHERE status = 'running' ORDER BY id").pluck()
  const add = db.prepare(insertInto(replays))
  const addAudit = db.prepare(insertInto(auditLog))
  const takeKey = keyTaker(db)
  const change = db.prepare(
    'UPDATE replays SET status = @status, rate_tat = @rateTat, finished_at = @finishedAt WHERE id = @id',
  )
  const step = replayStepper(db)
  const remove = db
    .prepare<[number, number], string>(
      'DELETE FROM replays WHERE id IN (SELECT id FROM replays WHERE finished_at <= ? LIMIT ?) RETURNING id',
    )
    .pluck()
  const freeKey = keyFreer(db)
  return {
    preview: (filter, order, limit) => previewLetters(db, reader, filter, order, limit),
    add: (replay, key, audit) =>
      writer.run((): AddedReplay => {
        const { id: resourceId, createdAt } = replay
        const taken = takeKey(key, { tenantId: ADMINS, resourceId, createdAt })
        if (taken !== null) {
          const made = get.get(taken.resourceId ?? '')
          return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', replay: made }
        }
        add.run(replay)
        addAudit.run(audit)
        return { kind: 'created', replay }
      }),
    get: async (id) => get.get(id) ?? null,
    list: async (status, page) => list.all({ status: status ?? null, ...page }),
    change: (asked) =>
      writer.run((): ChangedReplay => {
        const replay = get.get(asked.id)
        if (replay === undefined) return { kind: 'not_found' }
        if (!asked.from.includes(replay.status)) return { kind: 'unfit', replay }
        const changed = changedReplay(replay, asked)
        change.run(changed)
        addAudit.run(asked.audit)
        return { kind: 'changed', replay: changed }
      }),
    running: async () => running.all() as string[],
    step: (request) => writer.run(() => step(request)),
    purge: (finishedBefore, limit) =>
      writer.run(() => {
        const gone = remove.all(finishedBefore, limit) as string[]
        for (const id of gone) freeKey(id)
        return gone.length
      }),
  }
}
