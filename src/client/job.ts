import type { JobStatus } from '../core/job.ts'

// Documents of the service, member by member as they come over the wire (CONTRACT §3): the API, its OpenAPI document
// and the callbacks all use these names. Times are RFC 3339 in UTC.

export interface Link {
  href: string
  rel: string
  method: string
}

/** What is said of a job when it is accepted: only what never changes. */
export interface AcceptedJob {
  id: string
  type: string
  priority: number
  max_attempts: number
  created_at: string
  run_at: string
  metadata: Record<string, string>
  /** Absolute URLs by `rel`: self, status, result, cancel … */
  links: Link[]
}

export interface JobError {
  code: string
  title: string
  detail: string
  /** What `GET …/result` answers with: 422, 502 or 504. */
  status: number
  data?: unknown
}

export interface Job<Result = unknown> extends AcceptedJob {
  status: JobStatus
  /** Percent. */
  progress: number
  message: string | null
  attempt: number
  started_at: string | null
  finished_at: string | null
  /** When the result is given up. */
  expires_at?: string | null
  estimated_completion?: string | null
  /** Where the callback stands: a job can be completed and its callback dead. */
  callback: { status: string; delivery_id: string } | null
  error: JobError | null
  /** What the last run failed with, while another is to come. */
  last_error?: JobError
  /** Of a completed job, up to 256 KiB; above that there is `result_url`. */
  result?: Result
  result_url?: string
}

export type { JobStatus }
