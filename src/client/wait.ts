import { isFinished } from '../core/job.ts'
import { retryAfterMs } from '../core/retry.ts'
import { type ClientClock, timeLimit } from './clock.ts'
import { JobCancelled, JobFailed, WaitTimeout } from './errors.ts'
import type { Job } from './job.ts'
import { type Backoff, pauseMs } from './pause.ts'
import { checkedId, readJson, type Send } from './transport.ts'

export interface WaitOptions {
  /** How long to wait at most, in ms. By default as long as it takes. */
  timeoutMs?: number | undefined
  /** Ends the waiting, not the job. */
  signal?: AbortSignal | undefined
  /**
   * Called with the job as first seen and after each visible change that was seen.
   * The service is asked at intervals then, instead of being left to answer when the job ends.
   */
  onProgress?: ((job: Job) => void) | undefined
}

/** How long one request lets the service wait for the end of the job, in s: shorter than proxies hang up. */
const LONG_POLL_S = 25
const BACKOFF: Backoff = { firstMs: 500, longestMs: 15_000 }

interface Poll {
  /** Null: nothing changed (304). */
  job: Job | null
  etag: string | null
  retryAfterMs: number | null
}

/**
 * The job, once it is finished. Never asks earlier than `Retry-After` allows.
 * @param notBeforeMs when the first question may come, in ms from now
 * @throws WaitTimeout
 */
export async function waitForEnd(
  send: Send,
  clock: ClientClock,
  id: string,
  options: WaitOptions,
  notBeforeMs = 0,
): Promise<Job> {
  const { timeoutMs = Number.POSITIVE_INFINITY, onProgress } = options
  const limit = timeLimit(timeoutMs, options.signal, () => new WaitTimeout(id, timeoutMs))
  const deadline = clock.now() + timeoutMs
  try {
    // A long poll may come at once: it asks for the end, not for how things stand.
    if (onProgress && notBeforeMs > 0) await clock.sleep(notBeforeMs, limit.signal)
    let etag: string | null = null
    for (let unheld = 0; ; ) {
      const waitS = onProgress ? 0 : Math.min(LONG_POLL_S, Math.ceil((deadline - clock.now()) / 1000))
      const askedAt = clock.now()
      const poll = await pollJob(send, clock, id, waitS, etag, limit.signal)
      etag = poll.etag ?? etag
      if (poll.job !== null) {
        onProgress?.(poll.job)
        if (isFinished(poll.job.status)) return poll.job
      }
      // A service that holds the request paces by that; one that answers at once must not be hammered.
      const held = waitS > 0 && clock.now() - askedAt >= waitS * 500
      unheld = held ? 0 : unheld + 1
      await clock.sleep(pauseMs(BACKOFF, unheld, poll.retryAfterMs, clock.random()), limit.signal)
    }
  } finally {
    limit.end()
  }
}

function pollJob(
  send: Send,
  clock: ClientClock,
  id: string,
  waitS: number,
  etag: string | null,
  signal: AbortSignal,
): Promise<Poll> {
  const headers: Record<string, string> = {}
  if (waitS > 0) headers.prefer = `wait=${waitS}`
  if (etag !== null) headers['if-none-match'] = etag
  const timeoutMs = waitS > 0 ? { timeoutMs: (waitS + 30) * 1000 } : {}
  return send(
    { path: `/v1/jobs/${checkedId(id)}`, headers, signal, expect: [304], ...timeoutMs },
    async (response) => ({
      job: response.status === 304 ? null : await readJson<Job>(response),
      etag: response.headers.get('etag'),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after') ?? undefined, clock.now()),
    }),
  )
}

/**
 * The result of a finished job, fetched when it was too large for the job.
 * @throws JobFailed, JobCancelled
 */
export async function resultOf(job: Job, fetchResult: () => Promise<unknown>): Promise<unknown> {
  if (job.status === 'cancelled') throw new JobCancelled(job)
  if (job.status === 'failed') throw new JobFailed(job)
  return job.result_url === undefined ? job.result : fetchResult()
}
