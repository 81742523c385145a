import type { Database } from 'better-sqlite3'
import type { Job } from '../../core/job.ts'
import type { JobClaim, JobFinish, JobProgress, JobStore, ProgressEvent } from '../store.ts'
import { callbackWriter } from './callbacks.ts'
import type { GroupCommit } from './group-commit.ts'
import { jobs } from './schema.ts'
import { selectList } from './statements.ts'

const ALL = selectList(jobs)
const HELD_CLAIM = "id = @id AND claim_no = @claimNo AND status = 'processing'"
/** Set when a job leaves `processing`. */
const UNCLAIMED = 'worker_id = NULL, suspended_until = NULL, version = version + 1'
/** The next run begins from nothing. */
const AFRESH = `progress = 0, message = NULL, ${UNCLAIMED}`
const FINISHED = `status = @status, queue = NULL, finished_at = @finishedAt, progress = @progress, message = @message,
  result = @result, result_file_id = @resultFileId, error = @error, callback_delivery_id = @deliveryId,
  expiry_due_at = @expiryDueAt, ${UNCLAIMED}`

type Runs = Pick<JobStore, 'announce' | 'suspend' | 'retry' | 'release' | 'finish' | 'finishUnclaimed'>

/** What a run does to its job, fenced by its claim. */
export function jobRuns(db: Database, writer: GroupCommit): Runs & ReturnType<typeof progressVerbs> {
  const callbacks = callbackWriter(db)
  const held = db.prepare<[JobClaim], Job>(`SELECT ${ALL} FROM jobs WHERE ${HELD_CLAIM}`)
  const retry = db.prepare(
    `UPDATE jobs SET status = 'pending', queue = 'scheduled', due_at = @dueAt, error = @error, ${AFRESH}
      WHERE ${HELD_CLAIM}`,
  )
  const release = db.prepare(
    `UPDATE jobs SET status = 'pending', queue = 'ready', attempt = attempt - 1, lost_runs = lost_runs + @lost, ${AFRESH}
      WHERE ${HELD_CLAIM}`,
  )
  const suspend = db.prepare(
    `UPDATE jobs SET worker_id = NULL, suspended_until = @until, progress = @progress, message = @message,
      version = version + 1 WHERE ${HELD_CLAIM}`,
  )
  const finish = db.prepare<[object], Job>(`UPDATE jobs SET ${FINISHED} WHERE ${HELD_CLAIM} RETURNING ${ALL}`)
  const finishUnclaimed = db.prepare<[object], Job>(
    `UPDATE jobs SET ${FINISHED} WHERE id = @id AND version = @wasVersion
      AND status IN ('pending', 'processing') RETURNING ${ALL}`,
  )
  const withCallback = (job: Job | undefined, { callback }: JobFinish): Job | null => {
    if (job !== undefined && callback !== null) callbacks.add(job, callback)
    return job ?? null
  }
  return {
    ...progressVerbs(db, writer),
    announce: ({ id, claimNo }, callback) =>
      writer.run(() => {
        const job = held.get({ id, claimNo })
        if (job !== undefined) callbacks.add(job, callback)
        return job !== undefined
      }),
    suspend: ({ id, claimNo }, state) => writer.run(() => suspend.run({ id, claimNo, ...state }).changes > 0),
    retry: (claim, dueAt, error) => writer.run(() => retry.run({ ...claim, dueAt, error }).changes > 0),
    release: (claim, lost) => writer.run(() => release.run({ ...claim, lost: lost ? 1 : 0 }).changes > 0),
    finish: (claim, end) => writer.run(() => withCallback(finish.get({ ...claim, ...finishColumns(end) }), end)),
    finishUnclaimed: (id, version, end) =>
      writer.run(() => withCallback(finishUnclaimed.get({ id, wasVersion: version, ...finishColumns(end) }), end)),
  }
}

function finishColumns({ callback, ...columns }: JobFinish): object {
  return { ...columns, deliveryId: callback?.deliveryId ?? null }
}

function progressVerbs(db: Database, writer: GroupCommit): Pick<JobStore, 'progress' | 'progressSince'> {
  const callbacks = callbackWriter(db)
  const set = db.prepare<[JobClaim & Omit<JobProgress, 'callback'>], Job>(
    `UPDATE jobs SET progress = @progress, message = @message, version = version + 1 WHERE ${HELD_CLAIM} RETURNING ${ALL}`,
  )
  const addEvent = db.prepare(
    `INSERT INTO job_events (job_id, seq, progress, message, at)
      SELECT @id, coalesce(max(seq), 1) + 1, @progress, @message, @at FROM job_events WHERE job_id = @id`,
  )
  const since = db.prepare<[string, number], ProgressEvent>(
    'SELECT seq, progress, message, at FROM job_events WHERE job_id = ? AND seq > ? ORDER BY seq',
  )
  return {
    progress: ({ id, claimNo }, { callback, ...change }) =>
      writer.run(() => {
        const job = set.get({ id, claimNo, ...change })
        if (job === undefined) return false
        addEvent.run({ id, ...change })
        if (callback !== null) callbacks.add(job, callback)
        return true
      }),
    progressSince: async (id, after) => since.all(id, after),
  }
}
