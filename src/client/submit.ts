import { retryAfterMs } from '../core/retry.ts'
import type { ClientClock } from './clock.ts'
import type { AcceptedJob } from './job.ts'
import { readJson, type Send } from './transport.ts'

/** What can be said about a job besides its type and payload. Absent members take the service's defaults. */
export interface SubmitOptions {
  /** Where to call back. */
  callbackUrl?: string | undefined
  /** Instead of `callbackUrl`: a registered endpoint, with a secret of its own. */
  endpointId?: string | undefined
  /** Default: completed, failed, cancelled. */
  callbackEvents?: readonly string[] | undefined
  /** 0 first … 9 last. Default 5. */
  priority?: number | undefined
  /** Not before this. */
  runAt?: Date | undefined
  /** Not finished within this many seconds: failed with `deadline_exceeded`. */
  deadlineS?: number | undefined
  /** Seconds one run of the handler may take. */
  timeoutS?: number | undefined
  /** Runs of the handler, the first included. */
  maxAttempts?: number | undefined
  /** Seconds the result is kept. */
  resultTtlS?: number | undefined
  /** Given back in the job and in every callback. */
  metadata?: Record<string, string> | undefined
  /**
   * 1 to 255 visible characters; by default a random one. It makes retries safe within a call.
   * Give one of your own (an order's number …) to be safe over calls and restarts too.
   */
  idempotencyKey?: string | undefined
  signal?: AbortSignal | undefined
}

export interface Accepted {
  job: AcceptedJob
  /** When to ask for it at the earliest, in ms from now; null when the service did not say. */
  retryAfterMs: number | null
}

export function submitJob(
  send: Send,
  clock: ClientClock,
  type: string,
  payload: unknown,
  options: SubmitOptions,
): Promise<Accepted> {
  return send(
    {
      method: 'POST',
      path: '/v1/jobs',
      headers: {
        'content-type': 'application/json',
        prefer: 'respond-async',
        'idempotency-key': options.idempotencyKey ?? crypto.randomUUID(),
      },
      // Written once: a key belongs to the bytes of the body.
      body: JSON.stringify(submission(type, payload, options)),
      signal: options.signal,
      // The first attempt, whose answer was lost, may still be in its transaction.
      retryOn: [409],
    },
    async (response) => ({
      job: await readJson<AcceptedJob>(response),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after') ?? undefined, clock.now()),
    }),
  )
}

function submission(type: string, payload: unknown, options: SubmitOptions): object {
  return {
    type,
    payload,
    callback_url: options.callbackUrl,
    callback: options.endpointId === undefined ? undefined : { endpoint_id: options.endpointId },
    callback_events: options.callbackEvents,
    priority: options.priority,
    run_at: options.runAt?.toISOString(),
    deadline_s: options.deadlineS,
    timeout_s: options.timeoutS,
    max_attempts: options.maxAttempts,
    result_ttl_s: options.resultTtlS,
    metadata: options.metadata,
  }
}
