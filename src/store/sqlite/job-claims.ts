import type { Database } from 'better-sqlite3'
import type { Job } from '../../core/job.ts'
import { type Candidate, chooseFairly } from '../fair-claim.ts'
import type { JobClaimRequest, JobStore } from '../store.ts'
import type { GroupCommit } from './group-commit.ts'
import { jobs } from './schema.ts'
import { selectList } from './statements.ts'

const ALL = selectList(jobs)

/** The verbs by which jobs get from the queue to a process and back. */
export function jobClaimer(
  db: Database,
  writer: GroupCommit,
): Pick<JobStore, 'claim' | 'promote' | 'overdue' | 'suspendedTooLong' | 'lost'> {
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
  // One process has the database, so a claim of another worker belongs to a process that is gone.
  const lost = db.prepare<[string, number], Job>(
    `SELECT ${ALL} FROM jobs WHERE status = 'processing' AND worker_id <> ? LIMIT ?`,
  )
  return {
    claim: (request) =>
      writer.run(() =>
        chooseFairly(candidates(request), request).map(
          (id) => take.get({ id, workerId: request.workerId, now: request.now }) as Job,
        ),
      ),
    promote: (now, limit) => writer.run(() => promote.run(now, limit).changes),
    overdue: async (now, limit) => overdue.all(now, limit),
    suspendedTooLong: async (now, limit) => suspendedTooLong.all(now, limit),
    lost: async (workerId, limit) => lost.all(workerId, limit),
  }
}

/**
 * The first ready jobs of each tenant and type. Tenants are found by leaping over the index, one seek each,
 * so that 100,000 waiting jobs of one of them cost the others nothing; no more tenants than places are looked at.
 */
function candidateFinder(db: Database): (request: JobClaimRequest) => Candidate[] {
  const nextTenant = db
    .prepare<[string], string | null>("SELECT min(tenant_id) FROM jobs WHERE queue = 'ready' AND tenant_id > ?")
    .pluck()
  const firstOfType = db.prepare<[string, string, number], Candidate>(
    `SELECT id, tenant_id AS tenantId, type, priority, due_at AS dueAt FROM jobs
      WHERE queue = 'ready' AND tenant_id = ? AND type = ? ORDER BY priority, due_at, id LIMIT ?`,
  )
  return (request) => {
    const types = [...request.types].filter(([, room]) => room > 0)
    const found: Candidate[] = []
    let tenantsWithWork = 0
    for (const tenant of tenantsInTurn(request.afterTenant ?? '')) {
      const ready = types.flatMap(([type, room]) => firstOfType.all(tenant, type, Math.min(room, request.limit)))
      found.push(...ready)
      if (ready.length > 0) tenantsWithWork += 1
      if (tenantsWithWork >= request.limit) break
    }
    return found
  }

  /** Every tenant with ready jobs once, those behind `start` first. */
  function* tenantsInTurn(start: string): Generator<string> {
    for (let at = nextTenant.get(start); at != null; at = nextTenant.get(at)) yield at
    for (let at = nextTenant.get(''); at != null && at <= start; at = nextTenant.get(at)) yield at
  }
}
