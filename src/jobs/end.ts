import type { Clock } from '../clock.ts'
import { expiryNotice, type FinishedStatus, type Job, type JobProblem, type JsonText } from '../core/job.ts'
import { jsonWith } from '../core/job-view.ts'
import type { JobFinish } from '../store/store.ts'
import { type CallbackSettings, callbackFor, wantsEvent } from './callback.ts'

const MAX_DATA_LENGTH = 256 * 1024

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
  const { retryable: _, data, ...shown } = problem
  const json = data === undefined ? undefined : dataJson(data)
  return jsonWith(shown, { data: json ?? null })
}

/** Like a result in the row, 256 KiB at most; what is no JSON is left out. */
function dataJson(data: unknown): JsonText | undefined {
  try {
    const json = JSON.stringify(data) as JsonText | undefined
    return json !== undefined && json.length <= MAX_DATA_LENGTH ? json : undefined
  } catch {
    return undefined
  }
}
