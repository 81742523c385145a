import { isFinished, type Job } from '../../../src/core/job.ts'
import type { JobStore } from '../../../src/store/store.ts'
import { addCallback, changeJob, freeKeysOf, type State } from './state.ts'
import type { Verbs } from './verbs.ts'

type Expiry = Verbs<Pick<JobStore, 'postponeExpiry' | 'expire' | 'erase'>> & {
  /** What `expiryDue` and `purge` choose among. */
  expiryDue(now: number): Job[]
  purgeable(expiredBefore: number): Job[]
  purgeThese(ids: readonly string[]): void
}

/** How finished jobs go: first their content, then their row. */
export function expiry(state: State): Expiry {
  return {
    expiryDue: (now) => [...state.jobs.values()].filter((job) => job.expiryDueAt !== null && job.expiryDueAt <= now),
    postponeExpiry(read, dueAt, expiring) {
      const job = state.jobs.get(read.id)
      if (job === undefined || job.expiryDueAt === null || job.expiryDueAt !== read.expiryDueAt) return
      state.jobs.set(job.id, { ...job, expiryDueAt: dueAt, expiringAt: expiring?.createdAt ?? job.expiringAt })
      addCallback(state, job, expiring)
    },
    expire({ id }, now, expired) {
      const job = state.jobs.get(id)
      if (job === undefined || job.expiryDueAt === null) return []
      const gone = { payload: '{}', result: null, resultFileId: null }
      addCallback(state, job, expired)
      changeJob(state, job, { ...gone, expiryDueAt: null, expiredAt: now })
      return removeContent(state, id)
    },
    purgeable: (before) => [...state.jobs.values()].filter((job) => job.expiredAt !== null && job.expiredAt <= before),
    purgeThese(ids) {
      for (const id of ids) {
        state.jobs.delete(id)
        freeKeysOf(state, id)
      }
    },
    erase(tenantId, id) {
      const job = state.jobs.get(id)
      if (job?.tenantId !== tenantId || !isFinished(job.status)) return null
      state.jobs.delete(id)
      freeKeysOf(state, id)
      for (const delivery of state.deliveries.values()) {
        if (delivery.jobId === id && delivery.finishedAt !== null) wipe(state, delivery.eventId)
      }
      return removeContent(state, id)
    },
  }
}

/** The bytes of an event are gone for good. */
export function wipe(state: State, eventId: string): void {
  const event = state.events.get(eventId)
  if (event !== undefined) state.events.set(eventId, { ...event, body: '' })
}

function removeContent(state: State, jobId: string): string[] {
  state.progress.delete(jobId)
  const ids = [...state.files.values()].filter((file) => file.jobId === jobId).map(({ id }) => id)
  for (const id of ids) state.files.delete(id)
  return ids
}
