import type { Clock } from '../clock.ts'
import { matchesEvent } from '../core/event-types.ts'
import type { JsonText } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import { LOOK_AGAIN_MS, type Watchers, watchers } from '../engine/watch.ts'
import type { EventPlace, EventStore } from '../store/store.ts'

/** What a reader asks for. */
export interface PullRequest {
  tenantId: string
  /** The event behind which it goes on; null: at the oldest. */
  after: string | null
  /** Null: all types, those of the platform included. */
  types: readonly string[] | null
  limit: number
}

export interface PulledEvent {
  id: string
  /** As it is delivered, byte for byte. */
  body: JsonText
}

export interface EventPage {
  events: PulledEvent[]
  /** The event behind which the next page begins; null: at the oldest. */
  last: string | null
}

/** Reads events in their lasting order; when there are none, waits for them at most `ms`. */
export interface EventReader extends Pick<Watchers, 'release'> {
  pull(request: PullRequest, ms: number, signal: AbortSignal): Promise<EventPage>
}

/** So many events are looked at for a page, whatever their types. */
const WINDOW = 1000
/** A page that has so much is full; its first event may have more. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024
/** How long the events of other types are passed over for a reader who does not wait. */
const SCAN_MS = 1000
/** What is stored and not to be shown yet is soon; nobody rings for it. */
const UNSETTLED_MS = 50

export function eventReader(eventStore: EventStore, engine: Engine, clock: Clock): EventReader {
  const watching = watchers(engine, 'events', clock)
  return {
    release: watching.release,
    async pull(request, ms, signal) {
      using watcher = watching.watch(request.tenantId)
      const until = clock.now() + ms
      const scanUntil = clock.now() + Math.max(ms, SCAN_MS)
      let after = request.after
      for (;;) {
        const { events, last, more, unsettled } = await look({ ...request, after }, eventStore)
        const left = (more ? scanUntil : until) - clock.now()
        if (events.length > 0 || left <= 0 || signal.aborted || watching.stopping.aborted) return { events, last }
        after = last
        if (!more) await watcher.next(Math.min(left, unsettled ? UNSETTLED_MS : LOOK_AGAIN_MS), signal)
      }
    },
  }
}

/** One page, which may be empty though there is more behind it. */
async function look(
  request: PullRequest,
  eventStore: EventStore,
): Promise<EventPage & { more: boolean; unsettled: boolean }> {
  const { tenantId, types, limit } = request
  const window = types === null ? limit : WINDOW
  const { places, unsettled } = await eventStore.after(tenantId, request.after, window)
  const { ids, seen } = pageOf(places, types, limit)
  const bodies = ids.length === 0 ? new Map<string, JsonText>() : await eventStore.bodies(tenantId, ids)
  const events = ids.flatMap((id) => {
    const body = bodies.get(id)
    // Erased meanwhile.
    return body === undefined ? [] : [{ id, body }]
  })
  const last = seen === 0 ? request.after : (places[seen - 1] as EventPlace).id
  return { events, last, more: seen < places.length || places.length === window, unsettled }
}

/** Which of the events make a page, and how many of them have been seen with it. */
function pageOf(places: readonly EventPlace[], types: readonly string[] | null, limit: number) {
  const ids: string[] = []
  let total = 0
  for (const [seen, { id, type, bytes }] of places.entries()) {
    if (bytes === 0 || (types !== null && !matchesEvent(types, type))) continue
    if (ids.length === limit || (ids.length > 0 && total + bytes > MAX_PAGE_BYTES)) return { ids, seen }
    ids.push(id)
    total += bytes
  }
  return { ids, seen: places.length }
}
