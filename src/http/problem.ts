import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type ProblemCode, problems } from '../core/problems.ts'
import { AppError, type ProblemDetail, StoreUnavailableError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'
export const JSON_TYPE = 'application/json; charset=utf-8'
/** Of JSON that is not to be kept by caches. */
export const UNCACHED_JSON = { 'content-type': JSON_TYPE, 'cache-control': 'no-store' } as const

/** A problem document: RFC 9457 with the members of PayPal's error object. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: string
  name: string
  message: string
  debug_id: string
  details: ProblemDetail[]
  links: { href: string; rel: string; method: string }[]
}

export interface ProblemPlace {
  publicUrl: string
  /** Path of the request. */
  instance: string
  requestId: string
}

export function problemOf(code: ProblemCode, detail: string, details: ProblemDetail[], place: ProblemPlace): Problem {
  const { status, title } = problems[code]
  const type = `${place.publicUrl}/problems/${code}`
  return {
    type,
    title,
    status,
    detail,
    instance: place.instance,
    code,
    name: code.toUpperCase().replaceAll('-', '_'),
    message: detail,
    debug_id: place.requestId,
    details,
    links: [{ href: type, rel: 'describedby', method: 'GET' }],
  }
}

/** Answers with a problem. `more` adds members of the problem type's own. */
export function problemResponse(c: Context, error: AppError, publicUrl: string, more: object = {}): Response {
  const place = { publicUrl, instance: c.req.path, requestId: String(c.get('requestId')) }
  const body = { ...problemOf(error.code, error.message, error.details, place), ...more }
  return c.body(JSON.stringify(body), error.status as ContentfulStatusCode, {
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    ...error.headers,
  })
}

export function notFound(): AppError {
  return new AppError('not-found', 'There is nothing at this URL for this key.')
}

const RETRY_AFTER_S = '5'

/** What a client is told of any failure. What it did not cause is reported to us, not to it. */
export function asAppError(error: unknown, events: BusinessEvents): AppError {
  if (error instanceof AppError) return error
  if (error instanceof HTTPException && error.status < 500) return new AppError('malformed-request', error.message)
  events.taskFailed('answering a request', error)
  if (error instanceof StoreUnavailableError) {
    return new AppError('unavailable', 'The storage is not available at the moment; nothing was stored.', {
      headers: { 'retry-after': RETRY_AFTER_S },
    })
  }
  return new AppError('internal-error', 'The request failed for a reason that lies with the service.')
}
