import type { Database, Statement } from 'better-sqlite3'
import { and, desc, eq, getTableColumns, gte, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import type { Job } from '../../core/job.ts'
import { filesNamedIn, newJobRow } from '../new-rows.ts'
import type { Accepted, JobStore, NewJob, NewKey, Repeated } from '../store.ts'
import { callbackWriter } from './callbacks.ts'
import type { GroupCommit } from './group-commit.ts'
import { keyFinder, keyTaker } from './idempotency-keys.ts'
import { jobClaimer } from './job-claims.ts'
import { jobExpiry } from './job-expiry.ts'
import { jobFigures } from './job-figures.ts'
import { jobRuns } from './job-runs.ts'
import type { Reader } from './reader.ts'
import { jobs } from './schema.ts'
import { ifGiven, insertInto, selectList } from './statements.ts'

const ALL = selectList(jobs)

export function sqliteJobs(db: Database, writer: GroupCommit, reader: Reader): JobStore {
  const callbacks = callbackWriter(db)
  const get = db.prepare<[string, string], Job>(`SELECT ${ALL} FROM jobs WHERE id = ? AND tenant_id = ?`)
  const find = db.prepare<[string], Job>(`SELECT ${ALL} FROM jobs WHERE id = ?`)
  const accept = acceptor(db, find)
  const findKey = keyFinder(db)
  const orm = drizzle(db)

  return {
    ...jobClaimer(db, writer),
    ...jobRuns(db, writer),
    ...jobExpiry(db, writer),
    ...jobFigures(db, writer, reader),
    accept: (job, key, workerId = null) => writer.run(() => accept(job, key, workerId, callbacks.endpointOf)),
    lookUp: async (tenantId, key) => {
      const known = findKey(tenantId, key)
      return known && madeBy(known.resourceId, find)
    },
    find: async (id) => find.get(id) ?? null,
    get: async (tenantId, id) => get.get(id, tenantId) ?? null,
    list: (tenantId, filter, page) =>
      reader.rows<Job>(
        Object.keys(getTableColumns(jobs)),
        orm
          // Payloads are not shown in lists, and 200 of them are 200 MB through the thread.
          .select({ ...getTableColumns(jobs), payload: sql<string>`'{}'` })
          .from(jobs)
          .where(
            and(
              ifGiven(tenantId, (id) => eq(jobs.tenantId, id)),
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
  }
}

function madeBy(id: string | undefined, find: Statement<[string], Job>): Repeated {
  const made = id === undefined ? undefined : find.get(id)
  return made === undefined ? { kind: 'key_reused' } : { kind: 'repeated', job: made }
}

/** The key first: when it is known, nothing else is written. */
function acceptor(db: Database, find: Statement<[string], Job>) {
  const takeKey = keyTaker(db)
  const insert = db.prepare(insertInto(jobs))
  const listed = db.prepare('SELECT 1 FROM workers WHERE id = ?')
  const addRef = db.prepare('INSERT OR IGNORE INTO file_refs (file_id, job_id) VALUES (?, ?)')
  return (
    job: NewJob,
    key: NewKey | null,
    workerId: string | null,
    endpointOf: (job: NewJob) => string | null,
  ): Accepted => {
    const taken = takeKey(key, { tenantId: job.tenantId, resourceId: job.id, createdAt: job.createdAt })
    if (taken !== null) return madeBy(taken.resourceId, find)
    const worker = workerId !== null && listed.get(workerId) !== undefined ? workerId : null
    const row = newJobRow(job, endpointOf(job), worker)
    insert.run(row)
    for (const fileId of filesNamedIn(job.payload)) addRef.run(fileId, job.id)
    return { kind: 'created', job: row }
  }
}
