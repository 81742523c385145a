import type { Database } from 'better-sqlite3'
import type { Job } from '../../core/job.ts'
import type { JobStore } from '../store.ts'
import { callbackWriter } from './callbacks.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFreer } from './idempotency-keys.ts'
import { jobs } from './schema.ts'
import { selectList } from './statements.ts'

/** How finished jobs go: first their content, after the retention their row. */
export function jobExpiry(
  db: Database,
  writer: GroupCommit,
): Pick<JobStore, 'expiryDue' | 'postponeExpiry' | 'expire' | 'purge' | 'erase'> {
  const callbacks = callbackWriter(db)
  const due = db.prepare<[number, number], Job>(
    `SELECT ${selectList(jobs)} FROM jobs WHERE expiry_due_at <= ? ORDER BY expiry_due_at LIMIT ?`,
  )
  const postpone = db.prepare(
    `UPDATE jobs SET expiry_due_at = @dueAt, expiring_at = coalesce(@announcedAt, expiring_at)
      WHERE id = @id AND expiry_due_at = @readDueAt`,
  )
  const expire = db.prepare(
    `UPDATE jobs SET payload = '{}', result = NULL, result_file_id = NULL, expiry_due_at = NULL, expired_at = @now,
      version = version + 1 WHERE id = @id AND expiry_due_at IS NOT NULL`,
  )
  const removeContent = contentRemover(db)
  return {
    expiryDue: async (now, limit) => due.all(now, limit),
    postponeExpiry: (job, dueAt, expiring) =>
      writer.run(() => {
        const announcedAt = expiring?.createdAt ?? null
        const { changes } = postpone.run({ id: job.id, dueAt, announcedAt, readDueAt: job.expiryDueAt })
        if (changes > 0 && expiring !== null) callbacks.add(job, expiring)
      }),
    expire: (job, now, expired) =>
      writer.run(() => {
        if (expire.run({ id: job.id, now }).changes === 0) return []
        if (expired !== null) callbacks.add(job, expired)
        return removeContent(job.id)
      }),
    purge: purger(db, writer),
    erase: eraser(db, writer),
  }
}

/** Removes what lies beside a job's row: progress, references, files. Returns the ids of the files. */
function contentRemover(db: Database): (id: string) => string[] {
  const removeEvents = db.prepare('DELETE FROM job_events WHERE job_id = ?')
  const removeRefs = db.prepare('DELETE FROM file_refs WHERE job_id = ?')
  const removeFiles = db.prepare<[string], string>('DELETE FROM files WHERE job_id = ? RETURNING id').pluck()
  return (id) => {
    removeEvents.run(id)
    removeRefs.run(id)
    return removeFiles.all(id) as string[]
  }
}

function eraser(db: Database, writer: GroupCommit): JobStore['erase'] {
  const remove = db.prepare(
    "DELETE FROM jobs WHERE id = ? AND tenant_id = ? AND status IN ('completed', 'failed', 'cancelled')",
  )
  const wipeSent = db.prepare(
    `UPDATE events SET body = '' WHERE id IN
      (SELECT event_id FROM deliveries WHERE job_id = ? AND status IN ('delivered', 'dead'))`,
  )
  const freeKey = keyFreer(db)
  const removeContent = contentRemover(db)
  return (tenantId, id) =>
    writer.run(() => {
      if (remove.run(id, tenantId).changes === 0) return null
      freeKey(id)
      wipeSent.run(id)
      return removeContent(id)
    })
}

function purger(db: Database, writer: GroupCommit): JobStore['purge'] {
  const removeJobs = db
    .prepare<[number, number], string>(
      'DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE expired_at <= ? LIMIT ?) RETURNING id',
    )
    .pluck()
  const freeKey = keyFreer(db)
  return (expiredBefore, limit) =>
    writer.run(() => {
      const gone = removeJobs.all(expiredBefore, limit) as string[]
      for (const id of gone) freeKey(id)
      return gone.length
    })
}
