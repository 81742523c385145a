import type { Job } from '../../../src/core/job.ts'
import type { JobClaim, JobFinish, JobStore } from '../../../src/store/store.ts'
import { putBack } from './queue.ts'
import { addCallback, changeJob, type State } from './state.ts'
import { unfinished } from './submissions.ts'
import type { Verbs } from './verbs.ts'

type Runs = Verbs<
  Pick<
    JobStore,
    'progress' | 'progressSince' | 'announce' | 'suspend' | 'retry' | 'release' | 'finish' | 'finishUnclaimed'
  >
>

/** What a run does to its job, as long as the job is its own. */
export function runs(state: State): Runs {
  const own = ({ id, claimNo }: JobClaim): Job | null => {
    const job = state.jobs.get(id)
    return job?.status === 'processing' && job.claimNo === claimNo ? job : null
  }
  return {
    progress(claim, { callback, ...event }) {
      const job = own(claim)
      if (job === null) return false
      const before = state.progress.get(job.id) ?? []
      state.progress.set(job.id, [...before, { seq: before.length + 2, ...event }])
      addCallback(state, job, callback)
      changeJob(state, job, { progress: event.progress, message: event.message })
      return true
    },
    progressSince: (id, after) => (state.progress.get(id) ?? []).filter(({ seq }) => seq > after),
    announce(claim, callback) {
      const job = own(claim)
      if (job !== null) addCallback(state, job, callback)
      return job !== null
    },
    suspend(claim, { until, progress, message }) {
      const job = own(claim)
      if (job !== null) changeJob(state, job, { workerId: null, suspendedUntil: until, progress, message })
      return job !== null
    },
    retry(claim, dueAt, error) {
      const job = own(claim)
      if (job !== null) putBack(state, job, { queue: 'scheduled', dueAt, error })
      return job !== null
    },
    release(claim, lost) {
      const job = own(claim)
      if (job === null) return false
      putBack(state, job, { queue: 'ready', attempt: job.attempt - 1, lostRuns: job.lostRuns + (lost ? 1 : 0) })
      return true
    },
    finish(claim, finish) {
      const job = own(claim)
      return job && end(state, job, finish)
    },
    finishUnclaimed(id, version, finish) {
      const job = state.jobs.get(id)
      return unfinished(job) && job.version === version ? end(state, job, finish) : null
    },
  }
}

function end(state: State, job: Job, { callback, ...last }: JobFinish): Job {
  const free = { queue: null, workerId: null, suspendedUntil: null }
  const ended = changeJob(state, job, { ...last, ...free, callbackDeliveryId: callback?.deliveryId ?? null })
  addCallback(state, ended, callback)
  return ended
}
