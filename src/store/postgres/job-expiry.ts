import type { Job } from '../../core/job.ts'
import type { JobStore } from '../store.ts'
import { addCallbacks } from './callbacks.ts'
import type { Connection, Database } from './database.ts'
import { freeKeys } from './idempotency-keys.ts'
import { selectList } from './rows.ts'
import { jobs } from './schema.ts'
import { statement } from './statement.ts'

const due = statement(
  `SELECT ${selectList(jobs)} FROM jobs WHERE expiry_due_at <= @now ORDER BY expiry_due_at LIMIT @limit`,
)
// The due time it was read with guards it: of several processes that look at it, one writes.
const postpone = statement(
  `UPDATE jobs SET expiry_due_at = @dueAt, expiring_at = coalesce(@announcedAt, expiring_at)
    WHERE id = @id AND expiry_due_at = @readDueAt`,
)
const expire = statement(
  `UPDATE jobs SET payload = '{}', result = NULL, result_file_id = NULL, expiry_due_at = NULL, expired_at = @now,
    version = version + 1 WHERE id = @id AND expiry_due_at IS NOT NULL`,
)
const removeEvents = statement('DELETE FROM job_events WHERE job_id = @id')
const removeRefs = statement('DELETE FROM file_refs WHERE job_id = @id')
const removeFiles = statement('DELETE FROM files WHERE job_id = @id RETURNING id')
const removeJob = statement(
  "DELETE FROM jobs WHERE id = @id AND tenant_id = @tenantId AND status IN ('completed', 'failed', 'cancelled')",
)
// An attempt that is just being recorded ends first: then its event is among those that need not be sent any more.
const awaitAttempts = statement('SELECT 1 FROM deliveries WHERE job_id = @id ORDER BY id FOR NO KEY UPDATE')
const wipeSent = statement(
  `UPDATE events SET body = '' WHERE id IN
    (SELECT event_id FROM deliveries WHERE job_id = @id AND status IN ('delivered', 'dead'))`,
)
const removeExpired = statement(
  `DELETE FROM jobs WHERE id IN
    (SELECT id FROM jobs WHERE expired_at <= @before LIMIT @limit FOR UPDATE SKIP LOCKED) RETURNING id`,
)

/** How finished jobs go: first their content, after the retention their row. */
export function jobExpiry(db: Database): Pick<JobStore, 'expiryDue' | 'postponeExpiry' | 'expire' | 'purge' | 'erase'> {
  return {
    expiryDue: (now, limit) => db.rows<Job>(due({ now, limit })),
    postponeExpiry: (job, dueAt, expiring) =>
      db.transaction(async (tx) => {
        const announcedAt = expiring?.createdAt ?? null
        const changed = await tx.changes(postpone({ id: job.id, dueAt, announcedAt, readDueAt: job.expiryDueAt }))
        if (changed > 0) await addCallbacks(tx, [{ job, callback: expiring }])
      }),
    expire: (job, now, expired) =>
      db.transaction(async (tx) => {
        if ((await tx.changes(expire({ id: job.id, now }))) === 0) return []
        await addCallbacks(tx, [{ job, callback: expired }])
        return removeContent(tx, job.id)
      }),
    purge: (before, limit) =>
      db.transaction(async (tx) => {
        const gone = await tx.rows<{ id: string }>(removeExpired({ before, limit }))
        const ids = gone.map(({ id }) => id)
        await freeKeys(tx, ids)
        return ids.length
      }),
    erase: (tenantId, id) =>
      db.transaction(async (tx) => {
        if ((await tx.changes(removeJob({ id, tenantId }))) === 0) return null
        await freeKeys(tx, [id])
        await tx.rows(awaitAttempts({ id }))
        await tx.changes(wipeSent({ id }))
        return removeContent(tx, id)
      }),
  }
}

/** Removes what lies beside a job's row: progress, references, files. Returns the ids of the files. */
async function removeContent(tx: Connection, id: string): Promise<string[]> {
  await tx.changes(removeEvents({ id }))
  await tx.changes(removeRefs({ id }))
  return (await tx.rows<{ id: string }>(removeFiles({ id }))).map((file) => file.id)
}
