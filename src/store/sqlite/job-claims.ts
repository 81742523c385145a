import type { Database } from 'better-sqlite3'
import type { Job } from '../../core/job.ts'
import { type Candidate, chooseFairly, tenantsToAsk } from '../fair-claim.ts'
import type { JobClaimRequest, JobStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { jobs } from './schema.ts'
import { selectList } from './statements.ts'

const ALL = selectList(jobs)

/** The verbs by which jobs get from the queue to a process and back. */
export function jobClaimer(
  db: Database,
  writer: GroupCommit,
): Pick<JobStore, 'claim' | 'promote' | 'overdue' | 'suspendedTooLong' | 'lost' | 'held' | 'releaseUnknown'> {
  const candidates = candidateFinder(db)
  const take = db.prepare<[object], Job>(
    `UPDATE jobs SET status = 'processing', queue = NULL, worker_id = @workerId, claim_no = claim_no + 1,
      attempt = attempt + 1, started_at = coalesce(started_at, @now), version = version + 1
      WHERE id = @id RETURNING ${ALL}`,
  )
  const promote = db.prepare(
    `UPDATE jobs SET queue = 'ready' WHERE id IN
      (SELECT id FROM jobs WHERE queue = 'scheduled' AND due_at <= ? ORDER BY due_at LIMIT ?)`,
  )
  const overdue = db.prepare<[number, number], Job>(
    `SELECT ${ALL} FROM jobs WHERE queue IS NOT NULL AND deadline_at IS NOT NULL AND deadline_at <= ? LIMIT ?`,
  )
  const suspendedTooLong = db.prepare<[number, number], Job>(
    `SELECT ${ALL} FROM jobs WHERE suspended_until IS NOT NULL AND suspended_until <= ? LIMIT ?`,
  )
  const lost = db.prepare<[number], Job>(
    `SELECT ${ALL} FROM jobs WHERE status = 'processing' AND worker_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM workers WHERE id = jobs.worker_id) LIMIT ?`,
  )
  const held = db.prepare<[string], string>("SELECT id FROM jobs WHERE status = 'processing' AND worker_id = ?").pluck()
  const releaseUnknown = db.prepare(
    `UPDATE jobs SET status = 'pending', queue = 'ready', attempt = attempt - 1, worker_id = NULL, progress = 0,
      message = NULL, version = version + 1
      WHERE status = 'processing' AND worker_id = ? AND id NOT IN (SELECT value FROM json_each(?))`,
  )
  const listed = db.prepare('SELECT 1 FROM workers WHERE id = ?')
  return {
    claim: (request) =>
      writer.run(() => {
        if (listed.get(request.workerId) === undefined) return []
        const { workerId, now } = request
        return chooseFairly(candidates(request), request).map((id) => take.get({ id, workerId, now }) as Job)
      }),
    promote: (now, limit) => writer.run(() => promote.run(now, limit).changes),
    overdue: async (now, limit) => overdue.all(now, limit),
    suspendedTooLong: async (now, limit) => suspendedTooLong.all(now, limit),
    lost: async (limit) => lost.all(limit),
    held: async (workerId) => held.all(workerId) as string[],
    releaseUnknown: (workerId, known) => writer.run(() => releaseUnknown.run(workerId, JSON.stringify(known)).changes),
  }
}

/**
 * The first ready jobs of each type and tenant. Tenants are found by leaping over the index, one seek each,
 * so that 100,000 waiting jobs of one of them cost the others nothing; no more of them are looked at than need be.
 */
function candidateFinder(db: Database): (request: JobClaimRequest) => Candidate[] {
  const nextTenant = db
    .prepare<[string, string], string | null>(
      "SELECT min(tenant_id) FROM jobs WHERE queue = 'ready' AND type = ? AND tenant_id > ?",
    )
    .pluck()
  const first = db.prepare<[string, string, number], Candidate>(
    `SELECT id, tenant_id AS tenantId, type, priority, due_at AS dueAt FROM jobs
      WHERE queue = 'ready' AND type = ? AND tenant_id = ? ORDER BY priority, due_at, id LIMIT ?`,
  )
  return (request) => {
    const { types, limit, afterTenant } = request
    const found: Candidate[] = []
    for (const [type, room] of types) {
      if (room <= 0) continue
      for (const tenant of tenantsInTurn(type, afterTenant ?? '').take(tenantsToAsk(request))) {
        found.push(...first.all(type, tenant, Math.min(room, limit)))
      }
    }
    return found
  }

  /** Every tenant with ready jobs of the type once, those behind `start` first. */
  function* tenantsInTurn(type: string, start: string): Generator<string> {
    for (let at = nextTenant.get(type, start); at != null; at = nextTenant.get(type, at)) yield at
    for (let at = nextTenant.get(type, ''); at != null && at <= start; at = nextTenant.get(type, at)) yield at
  }
}
