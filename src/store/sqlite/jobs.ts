import type { Database } from 'better-sqlite3'
import { and, desc, eq, getTableColumns, gte, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import type { Job } from '../../core/job.ts'
import type { Accepted, JobClaim, JobFinish, JobProgress, JobStore, NewJob, NewKey } from '../store.ts'
import { callbackWriter } from './callbacks.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyTaker } from './idempotency-keys.ts'
import { jobClaimer } from './job-claims.ts'
import { jobFigures } from './job-figures.ts'
import type { Reader } from './reader.ts'
import { jobs } from './schema.ts'
import { ifGiven, insertInto, selectList } from './statements.ts'

const ALL = selectList(jobs)
/** Set when a job leaves `processing`. */
const UNCLAIMED = 'worker_id = NULL, version = version + 1'
const HELD_CLAIM = "id = @id AND claim_no = @claimNo AND status = 'processing'"

export function sqliteJobs(db: Database, writer: GroupCommit, reader: Reader): JobStore {
  const callbacks = callbackWriter(db)
  const accept = acceptor(db)
  const get = db.prepare<[string, string], Job>(`SELECT ${ALL} FROM jobs WHERE id = ? AND tenant_id = ?`)
  const retry = db.prepare(
    `UPDATE jobs SET status = 'pending', queue = 'scheduled', due_at = @dueAt, error = @error, progress = 0, message = NULL, ${UNCLAIMED}
      WHERE ${HELD_CLAIM}`,
  )
  const release = db.prepare(
    `UPDATE jobs SET status = 'pending', queue = 'ready', attempt = attempt - 1, lost_runs = lost_runs + @lost, progress = 0,
      message = NULL, ${UNCLAIMED}
      WHERE ${HELD_CLAIM}`,
  )
  const progress = db.prepare<[JobClaim & Pick<JobProgress, 'progress' | 'message'>], Job>(
    `UPDATE jobs SET progress = @progress, message = @message, version = version + 1 WHERE ${HELD_CLAIM} RETURNING ${ALL}`,
  )
  const finished = `SET status = @status, queue = NULL, finished_at = @finishedAt, progress = @progress, message = @message, result = @result,
    result_file_id = @resultFileId, error = @error, callback_delivery_id = @deliveryId, ${UNCLAIMED}`
  const finish = db.prepare<[object], Job>(`UPDATE jobs ${finished} WHERE ${HELD_CLAIM} RETURNING ${ALL}`)
  const finishUnclaimed = db.prepare<[object], Job>(
    `UPDATE jobs ${finished} WHERE id = @id AND version = @wasVersion
      AND status IN ('pending', 'processing') RETURNING ${ALL}`,
  )
  const withCallback = (job: Job | undefined, end: JobFinish): Job | null => {
    if (job !== undefined && end.callback !== null) callbacks.add(job, end.callback)
    return job ?? null
  }
  const orm = drizzle(db)

  return {
    ...jobClaimer(db, writer),
    ...jobFigures(db, writer, reader),
    accept: (job, key) => writer.run(() => accept(job, key, callbacks.endpointOf)),
    get: async (tenantId, id) => get.get(id, tenantId) ?? null,
    list: (tenantId, filter, page) =>
      reader.rows<Job>(
        Object.keys(getTableColumns(jobs)),
        orm
          .select()
          .from(jobs)
          .where(
            and(
              eq(jobs.tenantId, tenantId),
              ifGiven(filter.status, (status) => eq(jobs.status, status)),
              ifGiven(filter.type, (type) => eq(jobs.type, type)),
              ifGiven(filter.createdAfter, (time) => gte(jobs.createdAt, time)),
              ifGiven(filter.createdBefore, (time) => lt(jobs.createdAt, time)),
              ifGiven(page.before, (id) => lt(jobs.id, id)),
            ),
          )
          .orderBy(desc(jobs.id))
          .limit(page.limit)
          .toSQL(),
      ),
    progress: (claim, change) =>
      writer.run(() => {
        const job = progress.get({ ...claim, progress: change.progress, message: change.message })
        if (job !== undefined && change.callback !== null) callbacks.add(job, change.callback)
        return job !== undefined
      }),
    retry: (claim, dueAt, error) => writer.run(() => retry.run({ ...claim, dueAt, error }).changes > 0),
    release: (claim, lost) => writer.run(() => release.run({ ...claim, lost: lost ? 1 : 0 }).changes > 0),
    finish: (claim, end) => writer.run(() => withCallback(finish.get({ ...claim, ...finishColumns(end) }), end)),
    finishUnclaimed: (id, version, end) =>
      writer.run(() => withCallback(finishUnclaimed.get({ id, wasVersion: version, ...finishColumns(end) }), end)),
    erase: eraser(db, writer),
  }
}

function finishColumns({ callback, ...columns }: JobFinish): object {
  return { ...columns, deliveryId: callback?.deliveryId ?? null }
}

/** The key first: when it is known, nothing else is written. */
function acceptor(db: Database) {
  const takeKey = keyTaker(db)
  const find = db.prepare<[string], Job>(`SELECT ${ALL} FROM jobs WHERE id = ?`)
  const insert = db.prepare(insertInto(jobs))
  return (job: NewJob, key: NewKey | null, endpointOf: (job: NewJob) => string | null): Accepted => {
    const taken = takeKey(key, { tenantId: job.tenantId, resourceId: job.id, createdAt: job.createdAt })
    if (taken !== null) {
      const made = taken.resourceId === undefined ? undefined : find.get(taken.resourceId)
      return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', job: made }
    }
    const row = newRow(job, endpointOf(job))
    insert.run(row)
    return { kind: 'created', job: row }
  }
}

function newRow({ callback: _, ...job }: NewJob, endpointId: string | null): Job {
  return {
    ...job,
    endpointId,
    status: 'pending',
    queue: job.runAt > job.createdAt ? 'scheduled' : 'ready',
    callbackDeliveryId: null,
    dueAt: job.runAt,
    attempt: 0,
    lostRuns: 0,
    claimNo: 0,
    workerId: null,
    progress: 0,
    message: null,
    startedAt: null,
    finishedAt: null,
    result: null,
    resultFileId: null,
    error: null,
    tokenHash: null,
    suspendedUntil: null,
    expiresAt: null,
    expiredAt: null,
    version: 0,
  }
}

function eraser(db: Database, writer: GroupCommit): JobStore['erase'] {
  const remove = db.prepare(
    "DELETE FROM jobs WHERE id = ? AND tenant_id = ? AND status IN ('completed', 'failed', 'cancelled')",
  )
  const removeKey = db.prepare('DELETE FROM idempotency_keys WHERE resource_id = ?')
  const removeFiles = db.prepare<[string], string>('DELETE FROM files WHERE job_id = ? RETURNING id').pluck()
  return (tenantId, id) =>
    writer.run(() => {
      if (remove.run(id, tenantId).changes === 0) return null
      removeKey.run(id)
      return removeFiles.all(id) as string[]
    })
}
