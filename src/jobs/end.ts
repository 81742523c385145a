import type { Clock } from '../clock.ts'
import { expiryNotice, type FinishedStatus, type Job, type JobProblem, type JsonText } from '../core/job.ts'
import type { JobFinish } from '../store/store.ts'
import { type CallbackSettings, callbackFor, wantsEvent } from './callback.ts'

export type JobEnd =
  | { status: 'completed'; result: JsonText | null; resultFileId: string | null }
  | { status: 'failed'; problem: JobProblem }
  | { status: 'cancelled' }

/** What is written when a job ends: its last state, and the event that tells of it. */
export function finishOf(job: Job, end: JobEnd, settings: CallbackSettings, clock: Clock): JobFinish {
  const state = {
    status: end.status as FinishedStatus,
    finishedAt: clock.now(),
    progress: end.status === 'completed' ? 100 : job.progress,
    message: job.message,
    result: end.status === 'completed' ? end.result : null,
    resultFileId: end.status === 'completed' ? end.resultFileId : null,
    error: end.status === 'failed' ? problemJson(end.problem) : null,
  }
  const ttlMs = job.resultTtlMs ?? settings.resultTtlMs
  const notice = wantsEvent(job, 'job.expiring') ? expiryNotice(ttlMs) : 0
  const expiryDueAt = Math.floor(state.finishedAt + ttlMs - notice)
  return { ...state, expiryDueAt, callback: callbackFor({ ...job, ...state }, `job.${end.status}`, settings, clock) }
}

/** A job's problem as it is stored and shown. */
export function problemJson(problem: JobProblem): JsonText {
  const { retryable: _, ...shown } = problem
  return JSON.stringify(shown)
}
