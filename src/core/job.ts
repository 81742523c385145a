import { jittered, jobRetryPolicy } from './retry.ts'

/** JSON as text: what the database holds and what goes over the wire. */
export type JsonText = string

/** pending → processing → completed | failed | cancelled; processing → pending after a failed or lost run. */
export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled'

export const FINISHED_STATUSES = ['completed', 'failed', 'cancelled'] as const
export type FinishedStatus = (typeof FINISHED_STATUSES)[number]

/** Where a pending job stands: `ready` to be claimed, or `scheduled` for later. Null when it is not pending. */
export type QueueState = 'ready' | 'scheduled'

/** A piece of slow work, as stored. Times are ms since 1970. */
export interface Job {
  id: string
  tenantId: string
  type: string
  status: JobStatus
  queue: QueueState | null
  /** 0 first … 9 last. */
  priority: number
  payload: JsonText
  metadata: JsonText | null
  /** The endpoint (lane) of the callbacks, null when nobody is called back. */
  endpointId: string | null
  callbackUrl: string | null
  /** Comma-separated event types the callback wants. */
  callbackEvents: string
  /** The delivery of the event that finished the job. */
  callbackDeliveryId: string | null
  /** W3C trace context of the request that made the job. */
  traceparent: string
  createdAt: number
  /** Not before this, as the client asked. Never changes. */
  runAt: number
  /** When the next run is due: `runAt` at first, later after a retry's wait. */
  dueAt: number
  deadlineAt: number | null
  timeoutMs: number
  maxAttempts: number
  resultTtlMs: number | null
  /** Runs begun, without those lost with their process. */
  attempt: number
  lostRuns: number
  /** Fences writes of a run that was taken over: it grows with every claim. */
  claimNo: number
  /** The process that runs it. */
  workerId: string | null
  progress: number
  message: string | null
  startedAt: number | null
  finishedAt: number | null
  result: JsonText | null
  /** Set when the result was too large for the row (claim check). */
  resultFileId: string | null
  /** A problem, as JSON. */
  error: JsonText | null
  /** While it waits for somebody outside, without a worker: after this, that has taken too long. */
  suspendedUntil: number | null
  /** Once finished: when its expiry is looked at next. The result may be kept longer, see `resultExpiry`. */
  expiryDueAt: number | null
  /** When its callback was told that it is about to expire. */
  expiringAt: number | null
  /** The result is gone (410); the row goes after the retention. */
  expiredAt: number | null
  /** Grows with every visible change. */
  version: number
}

/** What a handler's run failed with; becomes the job's `error`. */
export interface JobProblem {
  code: string
  title: string
  detail: string
  /** The status that `GET …/result` answers with: 422 for the work itself, 502 and 504 for what it waited on. */
  status: 422 | 502 | 504
  /** False: no further run can help. */
  retryable: boolean
  /** What else the handler wants the client to know. */
  data?: unknown
}

export type RunDecision = { next: 'retry'; dueAt: number } | { next: 'fail' }

/** What becomes of a job whose run failed. A retry that would begin past the deadline is not made. */
export function decideRun(
  job: Pick<Job, 'attempt' | 'maxAttempts' | 'deadlineAt'>,
  problem: Pick<JobProblem, 'retryable'>,
  now: number,
  random: number,
): RunDecision {
  if (!problem.retryable || job.attempt >= job.maxAttempts) return { next: 'fail' }
  const waits = jobRetryPolicy.waitsMs
  const wait = waits[Math.min(job.attempt, waits.length) - 1] ?? 0
  const dueAt = now + jittered(wait, jobRetryPolicy.jitter, random)
  return job.deadlineAt !== null && dueAt >= job.deadlineAt ? { next: 'fail' } : { next: 'retry', dueAt }
}

/** A job whose process died is run again, but not forever (CONTRACT §3): the third loss fails it. */
export const MAX_LOST_RUNS = 3

export const workerLost: JobProblem = {
  code: 'worker_lost',
  title: 'The job was lost with its process too often',
  detail: `The process that ran it died ${MAX_LOST_RUNS} times. If the job itself is what kills it, give its handler \`isolated: true\`.`,
  status: 502,
  retryable: false,
}

export const deadlineExceeded: JobProblem = {
  code: 'deadline_exceeded',
  title: 'The job did not finish by its deadline',
  detail: 'It was not finished within the `deadline_s` it was submitted with.',
  status: 504,
  retryable: false,
}

/**
 * Until when a finished job's result is kept: for its time to live after the callback is settled (CONTRACT §1).
 * Null while that is not so, or the job is not finished.
 * @param settledAt When the callback's delivery ended; null while it has not; undefined without a callback
 */
export function resultExpiry(
  job: Pick<Job, 'finishedAt' | 'resultTtlMs'>,
  settledAt: number | null | undefined,
  defaultTtlMs: number,
): number | null {
  const from = settledAt === undefined ? job.finishedAt : settledAt
  return from === null ? null : from + (job.resultTtlMs ?? defaultTtlMs)
}

/** `job.expiring` comes this share of the time to live before the end of it, at most a day. */
export function expiryNotice(ttlMs: number): number {
  return Math.min(0.1 * ttlMs, 86_400_000)
}

export function isFinished(status: JobStatus): status is FinishedStatus {
  return (FINISHED_STATUSES as readonly string[]).includes(status)
}
