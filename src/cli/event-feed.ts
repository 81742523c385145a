import { systemClock } from '../client/clock.ts'
import { PosthornError } from '../client/index.ts'
import { pauseMs } from '../client/pause.ts'
import { encodeEventCursor } from '../core/cursor.ts'
import { rawElements, rawMember } from '../core/raw-json.ts'
import type { Answer, Api } from './connection.ts'

/** An event as it is delivered. */
export interface FedEvent {
  id: string
  type: string
  /** Byte for byte as the service has it. */
  body: string
  /** Where to go on behind it. */
  cursor: string
}

export interface FeedOptions {
  /** Undefined: the oldest. */
  after: string | undefined
  types: string | undefined
  signal: AbortSignal
  /** The service cannot be reached. Called once, until it is back. */
  onAway(error: PosthornError): void
  onBack(): void
}

const PAGE = 100
/** Shorter than proxies hang up. */
const WAIT_S = 25
const BACKOFF = { firstMs: 500, longestMs: 15_000 }
/** A service that does not hold the request must not be asked over and over. */
const PACE_MS = 500

/**
 * The events of a tenant in their order, and then those that come, until `signal` is aborted.
 * @throws PosthornError when the service refuses: a wrong key, a cursor that is none
 */
export async function* eventFeed(api: Api, options: FeedOptions): AsyncGenerator<FedEvent, void, undefined> {
  const { signal, types } = options
  let { after } = options
  while (!signal.aborted) {
    const askedAt = performance.now()
    const page = await readPage(api, { after, types, limit: String(PAGE) }, options)
    if (page === null) return
    yield* page.events
    after = page.cursor
    const paceMs = PACE_MS - (performance.now() - askedAt)
    if (page.events.length === 0 && paceMs > 0) await pause(paceMs, signal)
  }
}

interface FedPage {
  events: FedEvent[]
  cursor: string
}

/** Asks until there is an answer; null when aborted. */
async function readPage(api: Api, query: Record<string, string | undefined>, options: FeedOptions) {
  const { signal } = options
  for (let failed = 0; !signal.aborted; ) {
    try {
      const answer = await api.get<{ next_cursor: string }>('/v1/events', query, { prefer: `wait=${WAIT_S}` }, signal)
      if (failed > 0) options.onBack()
      return pageOf(answer)
    } catch (error) {
      if (signal.aborted) return null
      if (!(error instanceof PosthornError && isPassing(error))) throw error
      failed += 1
      if (failed === 1) options.onAway(error)
      await pause(pauseMs(BACKOFF, failed, error.retryAfterMs, Math.random()), signal)
    }
  }
  return null
}

/**
 * The page is cut, not parsed: parsing and writing again would round numbers beyond 2⁵³, drop duplicate members and
 * change the order of those whose names are numbers. Signatures are over the bytes.
 */
function pageOf({ text, body }: Answer<{ next_cursor: string }>): FedPage {
  const events = rawElements(rawMember(text, 'data') ?? '[]').map((element) => {
    const id = JSON.parse(rawMember(element, 'id') ?? '""') as string
    const event = rawMember(element, 'body') ?? ''
    const type = JSON.parse(rawMember(event, 'type') ?? '""') as string
    return { id, type, body: event, cursor: encodeEventCursor(id) }
  })
  return { events, cursor: body.next_cursor }
}

/** Not there, restarting, behind a proxy that cannot reach it, or asked too often. */
function isPassing({ status }: PosthornError): boolean {
  return status === null || status === 429 || status >= 500
}

/** Resolves early when it is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await systemClock.sleep(ms, signal).catch(() => {})
}
