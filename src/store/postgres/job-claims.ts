import type { Job } from '../../core/job.ts'
import { type Candidate, chooseFairly, tenantsToAsk } from '../fair-claim.ts'
import type { JobClaimRequest, JobStore } from '../store.ts'
import type { Database, Transaction } from './database.ts'
import { selectList } from './rows.ts'
import { jobs } from './schema.ts'
import { statement } from './statement.ts'

const ALL = selectList(jobs)

/** Of transaction locks: who claims jobs. */
const CLAIMING = 7_226_772

/**
 * One claims at a time in the whole cluster, so that all see the same queue and nobody chooses what another is just
 * taking; a claim takes a few ms and brings as many jobs as its process has room for. The worker's row is kept from
 * being struck off meanwhile.
 */
const lock = statement(`SELECT pg_advisory_xact_lock(${CLAIMING})`)
const keepListed = statement('SELECT 1 FROM workers WHERE id = @workerId FOR KEY SHARE')

/**
 * The first ready jobs of each type and tenant. Tenants are found by leaping over the index, one seek each, so that
 * 100,000 waiting jobs of one of them cost the others nothing: those behind the one served last, then from the start.
 * A tenant is asked for as a range, and named in the order: only the index jobs_ready gives that. With an equation the
 * planner may take jobs_position, and read the jobs of all tenants.
 */
const candidates = statement(
  `WITH RECURSIVE turn(type, room, tenant, upto, n) AS (
      SELECT type, room, start COLLATE "C", upto, 0 FROM unnest(@types::text[], @rooms::int[]) AS wanted(type, room),
        (VALUES (@after, NULL), ('', @after)) AS part(start, upto)
      UNION ALL
      SELECT type, room, CASE WHEN turn.upto IS NULL OR next.tenant <= turn.upto THEN next.tenant END, upto, n + 1
        FROM turn, LATERAL (SELECT (SELECT j.tenant_id FROM jobs j WHERE j.queue = 'ready' AND j.type = turn.type
          AND j.tenant_id > turn.tenant ORDER BY j.type, j.tenant_id LIMIT 1) AS tenant) next
        WHERE turn.tenant IS NOT NULL AND n < @tenants)
    SELECT j.* FROM turn, LATERAL (
      SELECT id, tenant_id AS "tenantId", type, priority, due_at AS "dueAt" FROM jobs
        WHERE queue = 'ready' AND type = turn.type AND tenant_id BETWEEN turn.tenant AND turn.tenant
        ORDER BY type, tenant_id, priority, due_at, id LIMIT least(turn.room, @limit)) j
      WHERE turn.n > 0 AND turn.tenant IS NOT NULL`,
)
// Asked so, no partial index of the queue looks fit to find a few ids in it.
const take = statement(
  `UPDATE jobs SET status = 'processing', queue = NULL, worker_id = @workerId, claim_no = claim_no + 1,
    attempt = attempt + 1, started_at = coalesce(started_at, @now), version = version + 1
    WHERE id = ANY (@ids) AND queue IS NOT DISTINCT FROM 'ready' RETURNING ${ALL}`,
)
// Whoever comes second takes others.
const promote = statement(
  `UPDATE jobs SET queue = 'ready' WHERE id IN (SELECT id FROM jobs WHERE queue = 'scheduled' AND due_at <= @now
    ORDER BY due_at LIMIT @limit FOR UPDATE SKIP LOCKED)`,
)
const overdue = statement(
  `SELECT ${ALL} FROM jobs WHERE queue IS NOT NULL AND deadline_at IS NOT NULL AND deadline_at <= @now LIMIT @limit`,
)
const suspendedTooLong = statement(
  `SELECT ${ALL} FROM jobs WHERE suspended_until IS NOT NULL AND suspended_until <= @now LIMIT @limit`,
)
const lost = statement(
  `SELECT ${ALL} FROM jobs WHERE status = 'processing' AND worker_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM workers WHERE id = jobs.worker_id) LIMIT @limit`,
)
const held = statement("SELECT id FROM jobs WHERE status = 'processing' AND worker_id = @workerId")
const releaseUnknown = statement(
  `UPDATE jobs SET status = 'pending', queue = 'ready', attempt = attempt - 1, worker_id = NULL, progress = 0,
    message = NULL, version = version + 1
    WHERE status = 'processing' AND worker_id = @workerId AND id <> ALL (@known)`,
)

type Claims = Pick<JobStore, 'claim' | 'promote' | 'overdue' | 'suspendedTooLong' | 'lost' | 'held' | 'releaseUnknown'>

/** The verbs by which jobs get from the queue to a process and back. */
export function jobClaimer(db: Database): Claims {
  return {
    claim: (request) => db.transaction((tx) => claim(tx, request)),
    promote: (now, limit) => db.changes(promote({ now, limit })),
    overdue: (now, limit) => db.rows<Job>(overdue({ now, limit })),
    suspendedTooLong: (now, limit) => db.rows<Job>(suspendedTooLong({ now, limit })),
    lost: (limit) => db.rows<Job>(lost({ limit })),
    held: async (workerId) => (await db.rows<{ id: string }>(held({ workerId }))).map(({ id }) => id),
    releaseUnknown: (workerId, known) => db.changes(releaseUnknown({ workerId, known })),
  }
}

async function claim(tx: Transaction, request: JobClaimRequest): Promise<Job[]> {
  const { workerId, now, limit, afterTenant } = request
  const room = [...request.types].filter(([, places]) => places > 0)
  if (room.length === 0) return []
  const types = room.map(([type]) => type)
  const rooms = room.map(([, places]) => places)
  const [, listed, found] = await Promise.all([
    tx.rows(lock()),
    tx.rows(keepListed({ workerId })),
    tx.rows<Candidate>(candidates({ types, rooms, after: afterTenant ?? '', limit, tenants: tenantsToAsk(request) })),
  ])
  if (listed.length === 0) return []
  const ids = chooseFairly(found, request)
  if (ids.length === 0) return []
  const taken = new Map((await tx.last(tx.rows<Job>(take({ ids, workerId, now })))).map((job) => [job.id, job]))
  return ids.flatMap((id) => taken.get(id) ?? [])
}
