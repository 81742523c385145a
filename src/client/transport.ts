import { retryAfterMs } from '../core/retry.ts'
import { type ClientClock, timeLimit } from './clock.ts'
import { PosthornError, type Problem } from './errors.ts'
import type { FileBody } from './files.ts'
import { type Backoff, pauseMs } from './pause.ts'

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface TransportOptions {
  /** Base of every request; links in answers are not followed, so the key goes nowhere else. */
  url: string
  apiKey: string
  fetch: Fetch
  clock: ClientClock
  /** Attempts at one request, the first included. */
  maxAttempts: number
  requestTimeoutMs: number
}

export interface Call {
  method?: 'GET' | 'POST'
  path: string
  headers?: Record<string, string>
  body?: FileBody
  signal?: AbortSignal | undefined
  /** False for what must not be sent twice, or cannot. */
  repeatable?: boolean
  /** Statuses beyond 2xx that `read` gets instead of an error. */
  expect?: readonly number[]
  /** Statuses that, for this request, only mean "not just now". */
  retryOn?: readonly number[]
  /** Of one attempt, until `read` is done. */
  timeoutMs?: number
}

/**
 * Makes a request, again when it failed for now: no connection, 429, 503, 502 and 504 of a proxy.
 * @throws PosthornError when it was refused or attempts ran out; the signal's reason when it was aborted
 */
export type Send = <T>(call: Call, read: (response: Response) => T | Promise<T>) => Promise<T>

const BACKOFF: Backoff = { firstMs: 500, longestMs: 30_000 }
/** Who is asked to stay away longer than this is told so, rather than kept waiting. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000

type Outcome<T> = { value: T } | { error: PosthornError; transient: boolean }

export function transport(options: TransportOptions): Send {
  const { clock, maxAttempts } = options
  return async function send<T>(call: Call, read: (response: Response) => T | Promise<T>): Promise<T> {
    // Checked here, a malformed header is the caller's mistake at once, not a failed connection five times.
    const headers = new Headers({ authorization: `Bearer ${options.apiKey}`, ...call.headers })
    for (let attempt = 1; ; attempt++) {
      const outcome = await tryOnce(options, call, headers, read)
      if ('value' in outcome) return outcome.value
      const { error, transient } = outcome
      const asked = error.retryAfterMs
      if (!transient || call.repeatable === false || attempt >= maxAttempts) throw error
      if (asked !== null && asked > LONGEST_RETRY_AFTER_MS) throw error
      await clock.sleep(pauseMs(BACKOFF, attempt, asked, clock.random()), call.signal)
    }
  }
}

async function tryOnce<T>(
  { url, fetch, clock, requestTimeoutMs }: TransportOptions,
  call: Call,
  headers: Headers,
  read: (response: Response) => T | Promise<T>,
): Promise<Outcome<T>> {
  const ms = call.timeoutMs ?? requestTimeoutMs
  const limit = timeLimit(ms, call.signal, () => new Error(`no answer within ${ms} ms`))
  try {
    const response = await fetch(url + call.path, {
      method: call.method ?? 'GET',
      headers,
      signal: limit.signal,
      // A followed POST could become a GET; none of the URLs used here redirects.
      redirect: 'manual',
      ...bodyOf(call),
    })
    if (response.ok || call.expect?.includes(response.status)) return { value: await read(response) }
    const error = await errorOf(response, clock.now())
    return { error, transient: isTransient(error) || call.retryOn?.includes(response.status) === true }
  } catch (cause) {
    if (call.signal?.aborted) throw call.signal.reason
    if (cause instanceof PosthornError) throw cause
    const [code, what] = limit.passed()
      ? ['timeout', `did not answer within ${ms} ms`]
      : ['unreachable', 'is unreachable']
    return { error: new PosthornError(code, `${url} ${what}.`, { cause }), transient: true }
  } finally {
    limit.end()
  }
}

/** A stream is sent as it comes, which `fetch` wants to be told. The types of `fetch` know no bytes over shared memory. */
function bodyOf({ body }: Call): RequestInit {
  if (body === undefined) return {}
  if (body instanceof ReadableStream) return { body, duplex: 'half' } as RequestInit
  return { body: body as Exclude<FileBody, Uint8Array> | Uint8Array<ArrayBuffer> }
}

/** 502 and 504 with a problem document are Posthorn's own, about a failed job; without, a proxy could not reach it. */
function isTransient({ status, problem }: PosthornError): boolean {
  return status === 429 || status === 503 || ((status === 502 || status === 504) && problem === null)
}

async function errorOf(response: Response, now: number): Promise<PosthornError> {
  const { status } = response
  const problem = problemIn(response.headers.get('content-type'), await response.text())
  return new PosthornError(
    problem?.code ?? `http_${status}`,
    problem?.detail ?? problem?.title ?? `The service answered with ${status}.`,
    {
      status,
      ...(problem && { problem }),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after') ?? undefined, now),
    },
  )
}

function problemIn(contentType: string | null, text: string): Problem | null {
  if (!/^application\/problem\+json\b/i.test(contentType ?? '')) return null
  try {
    const problem: unknown = JSON.parse(text)
    return typeof problem === 'object' && !Array.isArray(problem) ? (problem as Problem | null) : null
  } catch {
    return null
  }
}

/** The JSON of an answer, for `send`. */
export async function readJson<T>(response: Response): Promise<T> {
  const text = await response.text()
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new PosthornError('bad_answer', 'The answer is not JSON.', { status: response.status, cause })
  }
}

/** Puts an id into a path. Ids have no characters that mean something there (CONTRACT §0), so nothing is escaped. */
export function checkedId(id: string): string {
  if (!/^\w+$/.test(id)) throw new TypeError(`Not an id: ${JSON.stringify(id)}`)
  return id
}
