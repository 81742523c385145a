import { isFinished, type Job } from '../../../src/core/job.ts'
import { newLane } from '../../../src/core/lane.ts'
import type { Accepted, JobFilter, JobStore, NewJob, NewKey, Page, Repeated } from '../../../src/store/store.ts'
import { keyOf, type State } from './state.ts'
import type { Verbs } from './verbs.ts'

type Submissions = Verbs<Pick<JobStore, 'accept' | 'lookUp' | 'get' | 'find' | 'list'>>

/** How jobs come in, and how they are read. */
export function submissions(state: State): Submissions {
  const lookUp = (tenantId: string, { key, fingerprint }: NewKey): Repeated | null => {
    const known = state.keys.get(keyOf(tenantId, key))
    if (known === undefined) return null
    const job = known.fingerprint === fingerprint ? state.jobs.get(known.resourceId) : undefined
    return job === undefined ? { kind: 'key_reused' } : { kind: 'repeated', job }
  }
  return {
    lookUp,
    accept(job, key, workerId = null): Accepted {
      const known = key && lookUp(job.tenantId, key)
      if (known !== null) return known
      const accepted = newJob(job, endpointOf(state, job))
      const runs = workerId !== null && state.workers.has(workerId) && accepted.queue === 'ready'
      const row = runs ? claimed(accepted, workerId) : accepted
      state.jobs.set(row.id, row)
      if (key !== null) {
        state.keys.set(keyOf(job.tenantId, key.key), { fingerprint: key.fingerprint, resourceId: row.id })
      }
      return { kind: 'created', job: row }
    },
    find: (id) => state.jobs.get(id) ?? null,
    get: (tenantId, id) => {
      const job = state.jobs.get(id)
      return job?.tenantId === tenantId ? job : null
    },
    list: (tenantId, filter, page) =>
      pageOf(
        [...state.jobs.values()].filter((job) => job.tenantId === tenantId && fits(job, filter)),
        page,
      ).map((job) => ({ ...job, payload: '{}' })),
  }
}

/** The newest first, from below the last one of the page before. */
export function pageOf<Row extends { id: string }>(rows: readonly Row[], { limit, before }: Page): Row[] {
  return rows
    .filter(({ id }) => before === null || id < before)
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, limit)
}

function fits(job: Job, { status, type, createdAfter, createdBefore }: JobFilter): boolean {
  return (
    (status === undefined || job.status === status) &&
    (type === undefined || job.type === type) &&
    (createdAfter === undefined || job.createdAt >= createdAfter) &&
    (createdBefore === undefined || job.createdAt < createdBefore)
  )
}

/** One for each tenant and origin, made when it is needed first. */
function endpointOf(state: State, { tenantId, endpointId, callback, createdAt }: NewJob): string | null {
  if (callback === null) return endpointId
  const { origin, newEndpointId: id } = callback
  for (const endpoint of state.endpoints.values()) {
    if (endpoint.tenantId === tenantId && endpoint.origin === origin) return endpoint.id
  }
  state.endpoints.set(id, { ...newLane(), ...NOTHING_REGISTERED, id, tenantId, kind: 'implied', origin, createdAt })
  return id
}

const NOTHING_REGISTERED = {
  url: null,
  description: null,
  eventTypes: '[]',
  headers: null,
  metadata: null,
  ordering: 'none',
  retrySchedule: null,
  signingSecret: null,
  ed25519: 0,
  oldSecrets: '[]',
  disabledReason: null,
  enabledAt: null,
  deletedAt: null,
  backlogToldAt: null,
  updatedAt: null,
} as const

function claimed(job: Job, workerId: string): Job {
  const run = { attempt: 1, claimNo: 1, startedAt: job.createdAt, version: 1 }
  return { ...job, ...run, status: 'processing', queue: null, workerId }
}

function newJob({ callback: _, ...asked }: NewJob, endpointId: string | null): Job {
  return {
    ...asked,
    endpointId,
    status: 'pending',
    queue: asked.runAt > asked.createdAt ? 'scheduled' : 'ready',
    dueAt: asked.runAt,
    callbackDeliveryId: null,
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
    suspendedUntil: null,
    expiryDueAt: null,
    expiringAt: null,
    expiredAt: null,
    version: 0,
  }
}

export function unfinished(job: Job | undefined): job is Job {
  return job !== undefined && !isFinished(job.status)
}
