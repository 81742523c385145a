import type { Job, JobError } from './job.ts'

/** One thing that is wrong with a request. */
export interface ProblemDetail {
  /** JSON Pointer (RFC 6901) into the body, or the name of a parameter or header. */
  field: string
  issue: string
  value?: unknown
  location: 'body' | 'path' | 'query' | 'header'
}

/** The problem document of an answer (RFC 9457), with whatever members it came with. */
export interface Problem {
  type?: string
  title?: string
  status?: number
  detail?: string
  code?: string
  debug_id?: string
  details?: ProblemDetail[]
  [member: string]: unknown
}

export interface ErrorOptions {
  /** HTTP status; absent when there was no answer. */
  status?: number
  problem?: Problem
  retryAfterMs?: number | null
  cause?: unknown
}

/**
 * Something the caller asked for did not happen.
 * Codes of the client's own: `unreachable` (no connection, or it was lost), `timeout` (no answer in time),
 * `bad_answer` (not what Posthorn would say) and `http_<status>` (an error without a problem document).
 */
export class PosthornError extends Error {
  /** What programs go by: the `code` of the problem document, or one of the client's own. */
  readonly code: string
  /** For people; the same as `message`. */
  readonly detail: string
  /** HTTP status of the answer, null when there was none. */
  readonly status: number | null
  /** Finds the request in the log of the service. */
  readonly debugId: string | null
  readonly details: readonly ProblemDetail[]
  /** The whole document, null when the answer had none. */
  readonly problem: Problem | null
  /** How long the service asked to be left alone, in ms. */
  readonly retryAfterMs: number | null

  constructor(code: string, detail: string, { status, problem, retryAfterMs, cause }: ErrorOptions = {}) {
    super(detail, { cause })
    this.name = 'PosthornError'
    this.code = code
    this.detail = detail
    this.status = status ?? null
    this.debugId = problem?.debug_id ?? null
    this.details = Array.isArray(problem?.details) ? problem.details : []
    this.problem = problem ?? null
    this.retryAfterMs = retryAfterMs ?? null
  }
}

const UNKNOWN: JobError = { code: 'job_failed', title: 'The job failed', detail: 'The job failed.', status: 422 }

/** The job ended without a result. `code`, `detail` and `status` are those of its error. */
export class JobFailed extends PosthornError {
  readonly job: Job
  /** What the handler reported, `data` included. */
  readonly error: JobError

  constructor(job: Job) {
    const error = job.error ?? UNKNOWN
    super(error.code, error.detail, { status: error.status })
    this.name = 'JobFailed'
    this.job = job
    this.error = error
  }
}

/** The job was cancelled, so there will be no result. Its code is `job_cancelled`. */
export class JobCancelled extends PosthornError {
  readonly job: Job

  constructor(job: Job) {
    super('job_cancelled', `The job ${job.id} was cancelled.`)
    this.name = 'JobCancelled'
    this.job = job
  }
}

/** The job did not end within `timeoutMs`. It goes on: wait again by `jobId`, or cancel it. Its code is `wait_timeout`. */
export class WaitTimeout extends PosthornError {
  readonly jobId: string

  constructor(jobId: string, timeoutMs: number) {
    super('wait_timeout', `The job ${jobId} did not end within ${timeoutMs} ms.`)
    this.name = 'WaitTimeout'
    this.jobId = jobId
  }
}
