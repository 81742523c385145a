import type { Job } from '../../../src/core/job.ts'
import type { JobClaimRequest, JobStore } from '../../../src/store/store.ts'
import { changeJob, type State } from './state.ts'
import type { Verbs } from './verbs.ts'

type Queue = Verbs<
  Pick<JobStore, 'claim' | 'held' | 'releaseUnknown' | 'position' | 'countReady' | 'runTimes' | 'saveRunTimes'>
> & {
  /** Which jobs `promote`, `overdue`, `suspendedTooLong` and `lost` choose among when they may not take all. */
  promotable(now: number): Job[]
  promoteThese(ids: readonly string[]): void
  overdue(now: number): Job[]
  suspendedTooLong(now: number): Job[]
  lost(): Job[]
}

/** How jobs get from the queue to a worker, and back. */
export function queue(state: State): Queue {
  const jobsThat = (are: (job: Job) => boolean): Job[] => [...state.jobs.values()].filter(are)
  const heldBy = (workerId: string) => jobsThat((job) => job.status === 'processing' && job.workerId === workerId)
  return {
    claim(request) {
      if (!state.workers.has(request.workerId)) return []
      const ready = jobsThat((job) => job.queue === 'ready').sort(inOrder)
      return inTurn(ready, request).map((job) =>
        changeJob(state, job, {
          status: 'processing',
          queue: null,
          workerId: request.workerId,
          attempt: job.attempt + 1,
          claimNo: job.claimNo + 1,
          startedAt: job.startedAt ?? request.now,
        }),
      )
    },
    promotable: (now) => jobsThat((job) => job.queue === 'scheduled' && job.dueAt <= now),
    promoteThese(ids) {
      for (const id of ids) state.jobs.set(id, { ...(state.jobs.get(id) as Job), queue: 'ready' })
    },
    overdue: (now) => jobsThat((job) => job.queue !== null && job.deadlineAt !== null && job.deadlineAt <= now),
    suspendedTooLong: (now) => jobsThat((job) => job.suspendedUntil !== null && job.suspendedUntil <= now),
    lost: () =>
      jobsThat((job) => job.status === 'processing' && job.workerId !== null && !state.workers.has(job.workerId)),
    held: (workerId) => heldBy(workerId).map(({ id }) => id),
    releaseUnknown(workerId, known) {
      const unknown = heldBy(workerId).filter(({ id }) => !known.includes(id))
      for (const job of unknown) putBack(state, job, { queue: 'ready', attempt: job.attempt - 1 })
      return unknown.length
    },
    position(job, limit) {
      if (job.queue !== 'ready') return null
      const ahead = jobsThat((other) => other.queue === 'ready' && other.type === job.type && inOrder(other, job) < 0)
      return Math.min(limit, ahead.length)
    },
    countReady: (limit) => Math.min(limit, jobsThat((job) => job.queue === 'ready').length),
    runTimes: () => new Map(state.runTimes),
    saveRunTimes(meansMs) {
      for (const [type, mean] of meansMs) state.runTimes.set(type, mean)
    },
  }
}

/** The next run begins from nothing. */
export function putBack(state: State, job: Job, changes: Partial<Job>): Job {
  const afresh = { progress: 0, message: null, workerId: null, suspendedUntil: null }
  return changeJob(state, job, { status: 'pending', ...afresh, ...changes })
}

function inOrder(a: Job, b: Job): number {
  if (a.priority !== b.priority) return a.priority - b.priority
  if (a.dueAt !== b.dueAt) return a.dueAt - b.dueAt
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

/**
 * Tenants take turns, each with its first job of a type that has room, until nobody has one. Who has a run already
 * leaves the last places, of all and of each type, to those who have none.
 */
function inTurn(ready: readonly Job[], request: JobClaimRequest): Job[] {
  const { limit, types, afterTenant, reserved, reservedByType } = request
  const room = new Map(types)
  const busy = new Set(request.busyTenants)
  const tenants = [...new Set(ready.map(({ tenantId }) => tenantId))].sort()
  const behind = tenants.filter((tenant) => afterTenant === null || tenant > afterTenant)
  const round = [...behind, ...tenants.filter((tenant) => !behind.includes(tenant))]
  const taken: Job[] = []
  for (let before = -1; taken.length !== before; ) {
    before = taken.length
    for (const tenant of round) {
      const kept = (of: number) => (busy.has(tenant) ? of : 0)
      const hasRoom = ({ type }: Job) => (room.get(type) ?? 0) > kept(reservedByType.get(type) ?? 0)
      const fits = (job: Job) => job.tenantId === tenant && !taken.includes(job) && hasRoom(job)
      const next = limit - taken.length > kept(reserved) ? ready.find(fits) : undefined
      if (next === undefined) continue
      taken.push(next)
      busy.add(tenant)
      room.set(next.type, (room.get(next.type) ?? 0) - 1)
    }
  }
  return taken
}
