import type { Job } from '../../core/job.ts'
import { filesNamedIn, newJobRow } from '../new-rows.ts'
import type { Accepted, JobStore, NewJob, NewKey } from '../store.ts'
import { Batch } from './batch.ts'
import { endpointFinder } from './callbacks.ts'
import type { Connection, Database } from './database.ts'
import { isLocked } from './failures.ts'
import { findKeys, type KeyUse, takeKeys } from './idempotency-keys.ts'
import { insertRows, rowsOf, selectList } from './rows.ts'
import { fileRefs, jobs } from './schema.ts'
import { statement } from './statement.ts'

interface Submission {
  job: NewJob
  key: NewKey | null
  /** Has a place for it. */
  workerId: string | null
}

/**
 * Should the worker be struck off between this and the commit, the job is taken back like one whose process has died:
 * a lock against it would be one that all submissions of a process share.
 */
const listed = statement('SELECT id FROM workers WHERE id = @workerId')
const addJobs = statement(insertRows(jobs))
const addRefs = statement(`${insertRows(fileRefs)} ON CONFLICT DO NOTHING`)
const findJobs = statement(`SELECT ${selectList(jobs)} FROM jobs WHERE id = ANY (@ids)`)

/** Keys first: what a known key stands for is not made again. */
export function jobAcceptor(db: Database): JobStore['accept'] {
  const endpointsOf = endpointFinder()
  const write = (submissions: Submission[]) =>
    db.transaction(async (tx) => {
      const uses = submissions.flatMap(({ job, key }) => keyUse(job, key) ?? [])
      const [taken, worker] = await Promise.all([takeKeys(tx, uses), listedWorker(tx, submissions)])
      const fresh = submissions.filter(({ job, key }) => key === null || taken.has(job.id))
      const endpointOf = await endpointsOf(
        tx,
        fresh.map(({ job }) => job),
      )
      const rows = fresh.map(({ job, workerId }) =>
        newJobRow(job, endpointOf(job), workerId === worker ? worker : null),
      )
      const added = addRows(tx, rows)
      const known = uses.filter(({ resourceId }) => !taken.has(resourceId))
      await (known.length > 0 ? added : tx.last(added))
      const made = new Map(rows.map((job): [string, Accepted] => [job.id, { kind: 'created', job }]))
      const repeated = await findRepeated(tx, known)
      return submissions.map(({ job: { id } }) => made.get(id) ?? repeated.get(id) ?? ({ kind: 'key_busy' } as const))
    })
  const batch = new Batch(write, ({ job }) => job.payload.length)
  return (job, key, workerId = null) =>
    batch.run({ job, key, workerId }).catch((error: unknown): Accepted => {
      if (isLocked(error)) return { kind: 'key_busy' }
      throw error
    })
}

function keyUse({ id, tenantId, createdAt }: NewJob, key: NewKey | null): KeyUse | null {
  return key === null ? null : { key, tenantId, resourceId: id, createdAt }
}

/** The worker to whom jobs may be given, as long as it is not struck off. A process has one, and another one after that. */
async function listedWorker(tx: Connection, submissions: readonly Submission[]): Promise<string | null> {
  const workerId = submissions.find((one) => one.workerId !== null)?.workerId
  return workerId == null ? null : ((await tx.rows<{ id: string }>(listed({ workerId })))[0]?.id ?? null)
}

async function addRows(tx: Connection, rows: readonly Job[]): Promise<void> {
  const refs = rows.flatMap(({ id, payload }) => filesNamedIn(payload).map((fileId) => ({ fileId, jobId: id })))
  await Promise.all([
    rows.length > 0 ? tx.changes(addJobs({ rows: rowsOf(jobs, rows) })) : null,
    refs.length > 0 ? tx.changes(addRefs({ rows: rowsOf(fileRefs, refs) })) : null,
  ])
}

/**
 * What keys stand for that were taken before, by the id of the job that was refused for it.
 * A key that was freed in this moment is missing: the next try finds it free.
 */
async function findRepeated(tx: Connection, uses: readonly KeyUse[]): Promise<Map<string, Accepted>> {
  const known = await findKeys(tx, uses)
  const ids = known.flatMap((key) => key?.resourceId ?? [])
  const rows = ids.length === 0 ? [] : await tx.rows<Job>(findJobs({ ids }))
  const byId = new Map(rows.map((job) => [job.id, job]))
  return new Map(
    uses.flatMap(({ resourceId }, i): [string, Accepted][] => {
      const key = known[i]
      if (key == null) return []
      const job = byId.get(key.resourceId ?? '')
      return [[resourceId, job === undefined ? { kind: 'key_reused' } : { kind: 'repeated', job }]]
    }),
  )
}
