import type { ClientClock } from './clock.ts'
import { PosthornError } from './errors.ts'
import type { Job } from './job.ts'
import { type Backoff, pauseMs } from './pause.ts'
import { type StreamEvent, type StreamParser, streamParser } from './sse.ts'
import { checkedId, type Send } from './transport.ts'

/** Something that happened to a job. The last one is its end, and brings the job as it is then. */
export type JobEvent =
  | JobEventOf<'job.started', { id: string; timestamp: string }>
  | JobEventOf<'job.progress', JobProgress>
  | JobEventOf<'job.completed' | 'job.failed' | 'job.cancelled', Job>

export interface JobEventOf<Type extends string, Data> {
  /** Where it stands in the stream: `lastEventId` of a later call resumes behind it. */
  id: string
  type: Type
  data: Data
}

export interface JobProgress {
  /** Of the job. */
  id: string
  /** Percent. */
  progress: number
  message: string | null
  timestamp: string
}

export interface EventsOptions {
  /** Resumes behind this event. By default from the first. */
  lastEventId?: string | undefined
  signal?: AbortSignal | undefined
  /** A connection that brings nothing for so long is given up for a new one, in ms. Default 45,000: three heartbeats. */
  idleTimeoutMs?: number | undefined
}

const TERMINAL = new Set(['job.completed', 'job.failed', 'job.cancelled'])
const IDLE_TIMEOUT_MS = 45_000
const RECONNECT_MS = 1000
const SHORTEST_RECONNECT_MS = 100
const LONGEST_RECONNECT_MS = 30_000

/**
 * The events of a job in order, over as many connections as it takes; ends after the one that finished the job.
 * Nothing is sent before the first is asked for, and leaving the loop closes the connection.
 * @throws PosthornError for an unknown (404) or expired (410) job, or when the service stays unreachable
 */
export async function* jobEvents(
  send: Send,
  clock: ClientClock,
  id: string,
  options: EventsOptions,
): AsyncGenerator<JobEvent, void, undefined> {
  let lastEventId = options.lastEventId ?? ''
  const backoff: Backoff = { firstMs: RECONNECT_MS, longestMs: LONGEST_RECONNECT_MS }
  for (let inVain = 1; ; inVain++) {
    const connection = new AbortController()
    try {
      const body = await connect(send, id, lastEventId, anyOf(options.signal, connection.signal))
      if (body === null) return
      const parser = streamParser(lastEventId)
      for await (const text of textOf(body, connection, options)) {
        for (const event of parser.push(text)) {
          inVain = 0
          lastEventId = event.id
          yield { ...event, data: dataOf(event) } as JobEvent
          if (TERMINAL.has(event.type)) return
        }
      }
      slowDown(backoff, parser)
    } finally {
      connection.abort()
    }
    await clock.sleep(pauseMs(backoff, Math.max(1, inVain), null, clock.random()), options.signal)
  }
}

/** The stream, or null when there is nothing more to come (204). */
function connect(send: Send, id: string, lastEventId: string, signal: AbortSignal) {
  const headers: Record<string, string> = { accept: 'text/event-stream' }
  if (lastEventId !== '') headers['last-event-id'] = lastEventId
  return send({ path: `/v1/jobs/${checkedId(id)}/events`, headers, signal }, ({ status, headers, body }) => {
    if (status === 204) return null
    if (body !== null && /^text\/event-stream\b/i.test(headers.get('content-type') ?? '')) return body
    throw new PosthornError('bad_answer', 'The answer is not a stream of events.', { status })
  })
}

/** The text of a stream until it ends, however it does: a lost connection is an end too. */
async function* textOf(
  body: ReadableStream<Uint8Array>,
  connection: AbortController,
  { idleTimeoutMs = IDLE_TIMEOUT_MS }: EventsOptions,
): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  for (;;) {
    const idle = setTimeout(() => connection.abort(), idleTimeoutMs)
    const read = await reader.read().catch(() => null)
    clearTimeout(idle)
    if (read === null || read.done) return
    yield decoder.decode(read.value, { stream: true })
  }
}

function slowDown(backoff: Backoff, { retryMs }: StreamParser): void {
  if (retryMs === null) return
  backoff.firstMs = Math.max(retryMs, SHORTEST_RECONNECT_MS)
  backoff.longestMs = Math.max(LONGEST_RECONNECT_MS, retryMs)
}

function anyOf(signal: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return signal === undefined ? other : AbortSignal.any([signal, other])
}

function dataOf({ data }: StreamEvent): unknown {
  try {
    return JSON.parse(data)
  } catch (cause) {
    throw new PosthornError('bad_answer', 'An event is not JSON.', { cause })
  }
}
