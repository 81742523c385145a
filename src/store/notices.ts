import type { DisableReason } from '../core/lane.ts'
import type { DeadLetter, Endpoint, NewEvent } from './store.ts'

/** What an attempt meant for its endpoint. */
export interface LaneNews {
  recovered: boolean
  disabled: DisableReason | null
}

/** What waits for an endpoint that should have been sent long ago. */
export interface Backlog {
  /** Counted to a limit. */
  pending: number
  oldestDueAt: number
}

/**
 * What the platform tells a tenant of its own endpoints and deliveries, made within the transaction in which it happens:
 * so it is told once, or did not happen. `eventType` is what the delivery was about that causes it: the platform's own
 * events cause none themselves.
 */
export interface Notices {
  ofLane(endpoint: Endpoint, change: LaneNews, eventType: string, now: number): NewEvent[]
  ofDeath(letter: DeadLetter, eventType: string): NewEvent[]
  ofBacklog(endpoint: Endpoint, backlog: Backlog, eventType: string, now: number): NewEvent[]
}
