import { type ProblemCode, problems } from './core/problems.ts'

/** One thing that is wrong with a request: PayPal's `details` member. */
export interface ProblemDetail {
  /** JSON Pointer (RFC 6901) into the body, or the name of a parameter or header. */
  field: string
  issue: string
  value?: unknown
  location: 'body' | 'path' | 'query' | 'header'
}

/** A megabyte of mistakes is not answered with ten. */
export const MAX_DETAILS = 100

export interface AppErrorOptions {
  details?: ProblemDetail[]
  headers?: Record<string, string>
  cause?: unknown
}

/** A failure that the caller is told about: `code` decides status and title, `message` becomes `detail`. */
export class AppError extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly details: ProblemDetail[]
  readonly headers: Record<string, string>

  constructor(code: ProblemCode, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.status = problems[code].status
    this.details = options.details ?? []
    this.headers = options.headers ?? {}
  }
}

/** What a request is told whose idempotency key did not make what it asks for. */
export function keyRefusal(kind: 'key_reused' | 'key_busy'): AppError {
  return kind === 'key_reused'
    ? new AppError('idempotency-key-reused', 'This idempotency key was used with another method, path or content.')
    : new AppError('idempotency-key-in-use', 'Another request with this idempotency key is just being stored.', {
        headers: { 'retry-after': '1' },
      })
}

/** The service cannot start as it is configured, or a command not be carried out. `exitCode` follows sysexits.h. */
export class StartError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number, cause?: unknown) {
    super(message, { cause })
    this.name = 'StartError'
    this.exitCode = exitCode
  }
}

/** sysexits.h: the command was called wrongly. */
export const EX_USAGE = 64
/** sysexits.h: what was given to read is not what it should be. */
export const EX_DATAERR = 65
/** sysexits.h: what was given to read is not there. */
export const EX_NOINPUT = 66
/** sysexits.h: it is not done yet; it may be later. */
export const EX_TEMPFAIL = 75
/** sysexits.h: the key does not allow it. */
export const EX_NOPERM = 77
/** sysexits.h: the configuration is wrong. */
export const EX_CONFIG = 78
/** sysexits.h: something the service needs is not available (the port, the database lock). */
export const EX_UNAVAILABLE = 69
/** sysexits.h: a file or folder cannot be created. */
export const EX_CANTCREAT = 73
/** sysexits.h: an error while reading or writing. */
export const EX_IOERR = 74

/**
 * The database or the S3 of the files is not available (disk full, I/O error, lost connection).
 * Nothing was stored; later it may work.
 */
export class StoreUnavailableError extends Error {
  constructor(cause: unknown) {
    super(`The storage is not available: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.name = 'StoreUnavailableError'
  }
}
