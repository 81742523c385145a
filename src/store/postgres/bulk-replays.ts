import { ADMINS } from '../admins.ts'
import { changedReplay } from '../replay-rows.ts'
import type { AddedReplay, AuditEntry, BulkReplay, ChangedReplay, NewKey, ReplayChange, ReplayStore } from '../store.ts'
import type { Connection, Database } from './database.ts'
import { previewLetters } from './dead-letters.ts'
import { freeKeys, orKeyBusy, takeKey } from './idempotency-keys.ts'
import { stepReplay } from './replay-step.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { auditLog, replays } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(replays)
const get = statement(`SELECT ${ALL} FROM replays WHERE id = @id`)
const hold = statement(`SELECT ${ALL} FROM replays WHERE id = @id FOR NO KEY UPDATE`)
const list = statement(
  `SELECT ${ALL} FROM replays WHERE (@status::text IS NULL OR status = @status)
    AND (@before::text IS NULL OR id < @before) ORDER BY id DESC LIMIT @limit`,
)
const running = statement("SELECT id FROM replays WHERE status = 'running' ORDER BY id")
const insert = statement(insertRows(replays))
const addAudit = statement(insertRows(auditLog))
const save = statement(
  'UPDATE replays SET status = @status, rate_tat = @rateTat, finished_at = @finishedAt WHERE id = @id',
)
const remove = statement(
  `DELETE FROM replays WHERE id IN (SELECT id FROM replays WHERE finished_at <= @before LIMIT @limit FOR UPDATE SKIP LOCKED)
    RETURNING id`,
)

export function postgresReplays(db: Database): ReplayStore {
  return {
    preview: (filter, order, limit) => previewLetters(db, filter, order, limit),
    add: (replay, key, audit) => db.transaction((tx) => add(tx, replay, key, audit)).catch(orKeyBusy(key)),
    get: async (id) => (await db.rows<BulkReplay>(get({ id })))[0] ?? null,
    list: (status, page) => db.rows<BulkReplay>(list({ status: status ?? null, ...page })),
    change: (asked) => db.transaction((tx) => change(tx, asked)),
    running: async () => (await db.rows<{ id: string }>(running())).map(({ id }) => id),
    step: (request) => db.transaction((tx) => stepReplay(tx, request)),
    purge: (before, limit) =>
      db.transaction(async (tx) => {
        const gone = await tx.rows<{ id: string }>(remove({ before, limit }))
        await freeKeys(
          tx,
          gone.map(({ id }) => id),
        )
        return gone.length
      }),
  }
}

async function add(tx: Connection, replay: BulkReplay, key: NewKey | null, audit: AuditEntry): Promise<AddedReplay> {
  const { id: resourceId, createdAt } = replay
  const known = await takeKey(tx, key, { tenantId: ADMINS, resourceId, createdAt })
  if (known !== null) {
    const [made] = await tx.rows<BulkReplay>(get({ id: known.resourceId ?? '' }))
    return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', replay: made }
  }
  await tx.changes(insert({ rows: rowsOf(replays, [replay]) }))
  await tx.changes(addAudit({ rows: rowsOf(auditLog, [audit]) }))
  return { kind: 'created', replay }
}

async function change(tx: Connection, asked: ReplayChange): Promise<ChangedReplay> {
  const [replay] = await tx.rows<BulkReplay>(hold({ id: asked.id }))
  if (replay === undefined) return { kind: 'not_found' }
  if (!asked.from.includes(replay.status)) return { kind: 'unfit', replay }
  const changed = changedReplay(replay, asked)
  await tx.changes(save({ ...changed }))
  await tx.changes(addAudit({ rows: rowsOf(auditLog, [asked.audit]) }))
  return { kind: 'changed', replay: changed }
}
