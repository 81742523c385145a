import type { JsonText } from '../core/job.ts'
import type { NewKey } from './job-store.ts'

/** Something to tell receivers. Its bytes are fixed when it is made. */
export interface EventRow {
  id: string
  tenantId: string
  type: string
  jobId: string | null
  /** What the order is kept by, on endpoints that keep it. */
  key: string | null
  /** How many deliveries it made. */
  fanOut: number
  body: JsonText
  traceparent: string
  createdAt: number
}

export interface NewEvent extends Omit<EventRow, 'fanOut'> {
  /** When its deliveries are given up if nobody can be sent to. */
  expiresAt: number
  newDeliveryId: () => string
}

export type AcceptedEvent =
  | { kind: 'created'; event: EventRow; lanes: string[] }
  | { kind: 'repeated'; event: EventRow }
  | { kind: 'key_reused' }
  | { kind: 'key_busy' }

/** An event in the order in which events are pulled, without its body. */
export interface EventPlace {
  id: string
  type: string
  /** Of its body; 0 when that was erased. */
  bytes: number
}

export interface EventsAfter {
  places: EventPlace[]
  /** There are later ones that cannot be shown yet: somebody who began before they were stored still writes. */
  unsettled: boolean
}

export interface EventStore {
  /** The event, its idempotency key, and a delivery for each endpoint that subscribes to its type, at once. */
  accept(event: NewEvent, key: NewKey | null): Promise<AcceptedEvent>
  /** Any tenant's event, for admins. */
  find(id: string): Promise<EventRow | null>
  /**
   * At most `limit` of a tenant's events behind the event `after`, in an order that lasts, and in which nothing new
   * comes before what was shown. From the oldest on when `after` is null, or is not there (any more): after a restore
   * as after the retention, what might not have been seen is shown rather than left out.
   */
  after(tenantId: string, after: string | null, limit: number): Promise<EventsAfter>
  /** The last event of that order; null when there is none. */
  latest(tenantId: string): Promise<string | null>
  /** The bodies of those of the events that are the tenant's and not erased, by their ids. */
  bodies(tenantId: string, ids: readonly string[]): Promise<Map<string, JsonText>>
  /** Removes events that were to be sent to nobody. Those that were go with their deliveries. Returns how many. */
  purge(createdBefore: number, limit: number): Promise<number>
}
