import { type ClientClock, systemClock } from './clock.ts'
import { PosthornError } from './errors.ts'
import { type EventsOptions, type JobEvent, jobEvents } from './events.ts'
import { type Files, files } from './files.ts'
import type { AcceptedJob, Job } from './job.ts'
import { type ListOptions, listJobs } from './list.ts'
import { type SubmitOptions, submitJob } from './submit.ts'
import { checkedId, type Fetch, readJson, type Send, transport } from './transport.ts'
import { resultOf, type WaitOptions, waitForEnd } from './wait.ts'

export interface ClientOptions {
  /** Of the service, e.g. `https://posthorn.example`. A path is kept as a prefix. */
  url: string
  /** A key of the role `client`. */
  apiKey: string
  /** Default: the global `fetch`. */
  fetch?: Fetch
  /** Attempts at one request, the first included. Default 8: over a minute, longer than a restart of the service. */
  maxAttempts?: number
  /** Of one attempt, in ms. Default 30,000. Uploads have no limit but their signal. */
  requestTimeoutMs?: number
  /** Time and chance, for tests. */
  clock?: ClientClock
}

export interface CallOptions {
  signal?: AbortSignal | undefined
}

/**
 * A tenant's view of a Posthorn service. Options are camelCase; documents of the service come as they are.
 * Every method throws PosthornError when the service refuses or stays unreachable, and the signal's reason when aborted.
 */
export interface Client {
  /** Hands in work. Resolves when it is stored durably; the same idempotency key never makes a second job. */
  submit(type: string, payload: unknown, options?: SubmitOptions): Promise<AcceptedJob>
  /**
   * The result of a job, once there is one.
   * @throws JobFailed, JobCancelled, WaitTimeout
   */
  wait<Result = unknown>(id: string, options?: WaitOptions): Promise<Result>
  /**
   * Submits and waits. An abort or a timeout ends the waiting, not the job.
   * @throws JobFailed, JobCancelled, WaitTimeout
   */
  run<Result = unknown>(type: string, payload: unknown, options?: SubmitOptions & WaitOptions): Promise<Result>
  /** What happens to a job as it happens, until it is finished. */
  events(id: string, options?: EventsOptions): AsyncGenerator<JobEvent, void, undefined>
  /** The job as it stands. 410 once its result is given up, 404 when it is unknown. */
  job<Result = unknown>(id: string, options?: CallOptions): Promise<Job<Result>>
  /**
   * The result now: JSON parsed, anything else as bytes.
   * 404 `result-not-ready` before the end, 422, 502 or 504 with the job's problem in `problem.error` when it failed.
   */
  result<Result = unknown>(id: string, options?: CallOptions): Promise<Result>
  /** Cancels a job; cancelled already is fine too. 409 `job-finished` when it ended otherwise. */
  cancel(id: string, options?: CallOptions): Promise<Job>
  /** The newest first, over all pages. */
  list(options?: ListOptions): AsyncGenerator<Job, void, undefined>
  files: Files
}

const MAX_ATTEMPTS = 8
const REQUEST_TIMEOUT_MS = 30_000
/** Results have up to 100 MiB. */
const RESULT_TIMEOUT_MS = 10 * 60_000

/** @throws TypeError when the URL is none */
export function createClient(options: ClientOptions): Client {
  const { clock = systemClock } = options
  const send = transport({
    url: baseOf(options.url),
    apiKey: options.apiKey,
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    clock,
    maxAttempts: options.maxAttempts ?? MAX_ATTEMPTS,
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  })
  async function wait<Result>(id: string, options: WaitOptions = {}, notBeforeMs = 0): Promise<Result> {
    const job = await waitForEnd(send, clock, id, options, notBeforeMs)
    return (await resultOf(job, () => fetchResult(send, id, options.signal))) as Result
  }
  return {
    submit: async (type, payload, options = {}) => (await submitJob(send, clock, type, payload, options)).job,
    wait: (id, options) => wait(id, options),
    run: async (type, payload, options = {}) => {
      const { job, retryAfterMs } = await submitJob(send, clock, type, payload, options)
      return wait(job.id, options, retryAfterMs ?? 0)
    },
    events: (id, options = {}) => jobEvents(send, clock, id, options),
    job: (id, options) => readJob(send, id, options),
    result: async <Result>(id: string, { signal }: CallOptions = {}) => (await fetchResult(send, id, signal)) as Result,
    cancel: (id, options) => cancelJob(send, id, options),
    list: (options = {}) => listJobs(send, options),
    files: files(send),
  }
}

function baseOf(url: string): string {
  const { protocol, origin, pathname } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(`Not an http or https URL: ${url}`)
  return origin + pathname.replace(/\/+$/, '')
}

async function readJob<Result>(send: Send, id: string, { signal }: CallOptions = {}): Promise<Job<Result>> {
  return send({ path: `/v1/jobs/${checkedId(id)}`, signal }, readJson<Job<Result>>)
}

/** A repeated request can find the job cancelled by the first, whose answer was lost. */
async function cancelJob(send: Send, id: string, options: CallOptions = {}): Promise<Job> {
  try {
    const path = `/v1/jobs/${checkedId(id)}/cancel`
    return await send({ method: 'POST', path, signal: options.signal }, readJson<Job>)
  } catch (error) {
    if (!(error instanceof PosthornError && error.status === 409)) throw error
    const job = await readJob(send, id, options)
    if (job.status === 'cancelled') return job
    throw error
  }
}

function fetchResult(send: Send, id: string, signal: AbortSignal | undefined): Promise<unknown> {
  const call = { path: `/v1/jobs/${checkedId(id)}/result`, signal, timeoutMs: RESULT_TIMEOUT_MS }
  return send(call, async (response) =>
    /^application\/([\w.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
      ? readJson(response)
      : new Uint8Array(await response.arrayBuffer()),
  )
}
