import type { JobProblem } from '../core/job.ts'

export { z } from 'zod'

/**
 * What every schema library offers (standardschema.dev, version 1): zod, valibot, arktype …
 * An operator's handlers may use another library, or another version of one, than Posthorn itself.
 */
export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    validate(value: unknown): SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A file of the tenant, as a handler sees it. */
export interface StoredFile {
  id: string
  contentType: string
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
}

/** The tenant's files. What a handler saves belongs to its job and is erased with it. */
export interface HandlerFiles {
  /** Throws a PermanentError `file_not_found` when the tenant has no such file. The stream can be read once. */
  open(id: string): Promise<StoredFile & { stream: ReadableStream<Uint8Array> }>
  /** Stores `data`; `url` is where clients with the tenant's key get it. */
  save(
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    options: { contentType: string },
  ): Promise<StoredFile & { url: string }>
}

export interface FetchOptions {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Whole time from name resolution to the last byte. Default 30,000. */
  timeoutMs?: number
  /** The call fails when the answer is longer. Default 10 MiB. */
  maxBytes?: number
  /** Ends the call early. The job's own signal always does. */
  signal?: AbortSignal
}

export interface HandlerLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The job a handler works on. */
export interface HandlerJob {
  id: string
  type: string
  createdAt: Date
  metadata: Record<string, string>
  /** Absolute; `/complete` and `/fail` below it take the token. */
  url: string
  /**
   * Lets whoever holds it end this run from outside, once, with `POST /v1/jobs/{id}/complete` or `/fail`.
   * Hand it on before you return `suspend()`; it is void once the run is over.
   */
  token: string
  /**
   * To be returned: `return job.suspend({ timeoutS })` frees the place of this run, and the job stays `processing`
   * until it is ended with its token. After `timeoutS` (default a day) the run has failed with the code `timeout`.
   */
  suspend(options?: { timeoutS?: number }): Suspension
}

/** What `run` gets. */
export interface HandlerContext<Input> {
  /** The payload as the `input` schema returned it. */
  input: Input
  job: HandlerJob
  /** 1 for the first run. Runs lost with their process are not counted. */
  attempt: number
  /** Percent from 0 to 100 and a line for people; kept at most once a second, the last one always. */
  progress(percent: number, message?: string): void
  /**
   * Aborted when the job is cancelled, passes its timeout or deadline, or the process stops.
   * An isolated run is ended with its thread instead, so there it never fires.
   */
  signal: AbortSignal
  files: HandlerFiles
  /**
   * Calls an http(s) URL under the platform's egress rules: no private addresses, no redirects,
   * bounded in time and size. Use it for every URL that came from a client. Answers of any status are returned.
   * Throws with the code `upstream_unreachable`, `upstream_incomplete` (both may be tried again, but for a
   * forbidden URL) or `upstream_too_large`.
   */
  fetch(url: string, options?: FetchOptions): Promise<Response>
  log: HandlerLog
}

export interface HandlerDefinition<Input> {
  /** The job type it performs, e.g. `invoice.render`. */
  type: string
  /** Checks the payload at submission; what it refuses is answered with 400 and never stored. */
  input: StandardSchema<Input>
  /** Seconds one run may take. Default 300. A job may ask for less or more. */
  timeoutS?: number
  /** Runs in all, the first included. Default 3. */
  maxAttempts?: number
  /** Runs of this type at once in one process. Default 32. */
  concurrency?: number
  /**
   * Runs in its own thread with this much memory (MiB): a crash, a busy loop or a leak costs that run only,
   * and a timeout really stops it. `true` means 256.
   */
  isolated?: boolean | { memoryMb: number }
  /**
   * Does the work; what it returns (JSON) is the job's result. It runs at least once: after a crash it may run again.
   * Throwing fails the run, which is repeated with backoff; `PermanentError` fails the job.
   */
  run(context: HandlerContext<Input>): unknown
}

/** What a handler returns instead of a result, to wait for somebody outside. */
export class Suspension {
  readonly timeoutS: number
  constructor(timeoutS: number) {
    this.timeoutS = timeoutS
  }
}

/** A handler whose input type has been forgotten: what a registry of many holds. */
export type Handler = HandlerDefinition<unknown>

/** Describes the handler of one job type. Returns it unchanged, with its input typed by the schema. */
export function defineHandler<Input>(definition: HandlerDefinition<Input>): HandlerDefinition<Input> {
  return definition
}

export type FailureOptions = Partial<Pick<JobProblem, 'code' | 'title' | 'status' | 'data'>>

/** A failure that a further run may not show: like any thrown error, but with a code, a title and data of its own. */
export class RetryableError extends Error {
  readonly options: FailureOptions
  constructor(detail: string, options: FailureOptions & { cause?: unknown } = {}) {
    const { cause, ...about } = options
    super(detail, { cause })
    this.name = 'RetryableError'
    this.options = about
  }
}

/** A failure that no further run can mend: the job fails at once. */
export class PermanentError extends RetryableError {
  constructor(detail: string, options: FailureOptions & { cause?: unknown } = {}) {
    super(detail, options)
    this.name = 'PermanentError'
  }
}

/** The job problem a thrown value stands for. Works across threads, where classes do not: it goes by name. */
export function problemOf(thrown: unknown): JobProblem {
  const error = thrown instanceof Error ? thrown : new Error(textOf(thrown))
  // Errors of strangers may have `options`, too, and modules in JavaScript may give any status.
  const { code, title, status, data } = ('options' in error ? (error.options as FailureOptions | null) : null) ?? {}
  return {
    code: typeof code === 'string' ? code : 'handler_failed',
    title: typeof title === 'string' ? title : 'The handler failed',
    detail: textOf(error.message || error.name),
    status: status === 502 || status === 504 ? status : 422,
    retryable: error.name !== 'PermanentError',
    ...(data === undefined ? {} : { data }),
  }
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'a value without a text was thrown'
  }
}
