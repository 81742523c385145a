import { and, desc, eq, getTableColumns, gte, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Job } from '../../core/job.ts'
import type { JobStore } from '../store.ts'
import { jobAcceptor } from './accept.ts'
import type { Database } from './database.ts'
import { findKeys } from './idempotency-keys.ts'
import { jobClaimer } from './job-claims.ts'
import { jobExpiry } from './job-expiry.ts'
import { jobFigures } from './job-figures.ts'
import { jobRuns } from './job-runs.ts'
import { ifGiven, selectList } from './rows.ts'
import { jobs } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(jobs)
const get = statement(`SELECT ${ALL} FROM jobs WHERE id = @id AND tenant_id = @tenantId`)
const find = statement(`SELECT ${ALL} FROM jobs WHERE id = @id`)

export function postgresJobs(db: Database): JobStore {
  const findJob = async (id: string) => (await db.rows<Job>(find({ id })))[0] ?? null
  return {
    ...jobClaimer(db),
    ...jobRuns(db),
    ...jobExpiry(db),
    ...jobFigures(db),
    accept: jobAcceptor(db),
    lookUp: async (tenantId, key) => {
      const [known] = await findKeys(db, [{ tenantId, key }])
      if (known == null) return null
      const job = known.resourceId === undefined ? null : await findJob(known.resourceId)
      return job === null ? { kind: 'key_reused' } : { kind: 'repeated', job }
    },
    find: findJob,
    get: async (tenantId, id) => (await db.rows<Job>(get({ tenantId, id })))[0] ?? null,
    list: jobLister(db),
  }
}

function jobLister(db: Database): JobStore['list'] {
  const orm = drizzle(db.pool)
  return async (tenantId, filter, page) => {
    const query = orm
      // Payloads are not shown in lists.
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
      .toSQL()
    return db.named<Job>(Object.keys(getTableColumns(jobs)), query)
  }
}
