import type { Job } from '../../core/job.ts'
import type { JobClaim, JobFinish, JobProgress, JobStore, ProgressEvent } from '../store.ts'
import { Batch } from './batch.ts'
import { addCallbacks } from './callbacks.ts'
import type { Database } from './database.ts'
import { recordsOf, selectList } from './rows.ts'
import { jobs } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(jobs)
const HELD_CLAIM = "id = @id AND claim_no = @claimNo AND status = 'processing'"
/** Set when a job leaves `processing`. */
const UNCLAIMED = 'worker_id = NULL, suspended_until = NULL, version = version + 1'
/** The next run begins from nothing. */
const AFRESH = `progress = 0, message = NULL, ${UNCLAIMED}`

const heldJob = statement(`SELECT ${ALL} FROM jobs WHERE ${HELD_CLAIM} FOR NO KEY UPDATE`)
const retry = statement(
  `UPDATE jobs SET status = 'pending', queue = 'scheduled', due_at = @dueAt, error = @error, ${AFRESH} WHERE ${HELD_CLAIM}`,
)
const release = statement(
  `UPDATE jobs SET status = 'pending', queue = 'ready', attempt = attempt - 1, lost_runs = lost_runs + @lost, ${AFRESH}
    WHERE ${HELD_CLAIM}`,
)
const suspend = statement(
  `UPDATE jobs SET worker_id = NULL, suspended_until = @until, progress = @progress, message = @message,
    version = version + 1 WHERE ${HELD_CLAIM}`,
)

/** What a run does to its job, fenced by its claim. */
export function jobRuns(db: Database): Pick<JobStore, 'announce' | 'suspend' | 'retry' | 'release'> & Ends & Progress {
  return {
    ...ends(db),
    ...progressVerbs(db),
    announce: ({ id, claimNo }, callback) =>
      db.transaction(async (tx) => {
        const [job] = await tx.rows<Job>(heldJob({ id, claimNo }))
        if (job !== undefined) await addCallbacks(tx, [{ job, callback }])
        return job !== undefined
      }),
    suspend: async ({ id, claimNo }, state) => (await db.changes(suspend({ id, claimNo, ...state }))) > 0,
    retry: async ({ id, claimNo }, dueAt, error) => (await db.changes(retry({ id, claimNo, dueAt, error }))) > 0,
    release: async ({ id, claimNo }, lost) => (await db.changes(release({ id, claimNo, lost: lost ? 1 : 0 }))) > 0,
  }
}

type Ends = Pick<JobStore, 'finish' | 'finishUnclaimed'>

/** How an end is guarded: by the run's claim, or by the job being as it was read. The other one is null. */
interface End {
  id: string
  claimNo: number | null
  version: number | null
  finish: JobFinish
}

// Locked in order first, so that two groups with the same jobs wait for each other instead of blocking each other.
// Why it is written so, see record-attempt.ts.
const finish = statement(
  `WITH ends AS (SELECT * FROM json_to_recordset(@ends) AS e (id text, "claimNo" int, version int, status text,
        "finishedAt" bigint, progress int, message text, result text, "resultFileId" text, error text,
        "deliveryId" text, "expiryDueAt" bigint)),
      held AS MATERIALIZED (SELECT e.*, j.claim_no AS held_claim_no, j.version AS held_version, j.status AS held_status
        FROM (SELECT * FROM ends ORDER BY id) e
        CROSS JOIN LATERAL (SELECT claim_no, version, status FROM jobs WHERE id = e.id FOR NO KEY UPDATE) j)
    UPDATE jobs SET status = e.status, queue = NULL, finished_at = e."finishedAt", progress = e.progress,
        message = e.message, result = e.result, result_file_id = e."resultFileId", error = e.error,
        callback_delivery_id = e."deliveryId", expiry_due_at = e."expiryDueAt", worker_id = NULL,
        suspended_until = NULL, version = jobs.version + 1
      FROM held e WHERE jobs.id = e.id AND e.held_status IN ('pending', 'processing')
        AND (e."claimNo" IS NULL OR (e.held_claim_no = e."claimNo" AND e.held_status = 'processing'))
        AND (e.version IS NULL OR e.held_version = e.version)
      RETURNING ${selectList(jobs, 'jobs')}`,
)

function ends(db: Database): Ends {
  const write = (group: End[]) =>
    db.transaction(async (tx) => {
      const records = group.map(({ finish: { callback, ...columns }, ...guard }) => ({
        ...guard,
        ...columns,
        deliveryId: callback?.deliveryId ?? null,
      }))
      const rows = await tx.rows<Job>(finish({ ends: recordsOf(records) }))
      const finished = new Map(rows.map((job) => [job.id, job]))
      const callbacks = group.flatMap(({ id, finish: { callback } }) => {
        const job = finished.get(id)
        return job === undefined ? [] : [{ job, callback }]
      })
      await tx.last(addCallbacks(tx, callbacks))
      return group.map(({ id }) => finished.get(id) ?? null)
    })
  const batch = new Batch(
    write,
    ({ finish: { result, callback } }) => (result?.length ?? 0) + (callback?.body.length ?? 0),
    ({ id }) => id,
  )
  return {
    finish: ({ id, claimNo }, end) => batch.run({ id, claimNo, version: null, finish: end }),
    finishUnclaimed: (id, version, end) => batch.run({ id, claimNo: null, version, finish: end }),
  }
}

type Progress = Pick<JobStore, 'progress' | 'progressSince'>

const setProgress = statement(
  `UPDATE jobs SET progress = @progress, message = @message, version = version + 1 WHERE ${HELD_CLAIM} RETURNING ${ALL}`,
)
const addEvent = statement(
  `INSERT INTO job_events (job_id, seq, progress, message, at)
    SELECT @id, coalesce(max(seq), 1) + 1, @progress::int, @message, @at::bigint FROM job_events WHERE job_id = @id`,
)
const since = statement(
  'SELECT seq, progress, message, at FROM job_events WHERE job_id = @id AND seq > @after ORDER BY seq',
)

function progressVerbs(db: Database): Progress {
  return {
    progress: ({ id, claimNo }: JobClaim, { callback, ...change }: JobProgress) =>
      db.transaction(async (tx) => {
        const [job] = await tx.rows<Job>(setProgress({ id, claimNo, ...change }))
        if (job === undefined) return false
        await tx.changes(addEvent({ id, ...change }))
        await addCallbacks(tx, [{ job, callback }])
        return true
      }),
    progressSince: (id, after) => db.rows<ProgressEvent>(since({ id, after })),
  }
}
