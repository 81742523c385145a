import type { Delivery } from '../core/delivery.ts'
import { enabledLane } from '../core/lane.ts'
import type { Endpoint } from './store.ts'

// What decides on sending a delivery again, the same in every database.

export interface RestartRequest {
  now: number
  expiresAt: number
  /** The API key that asked. */
  by: string
  /** An endpoint that was disabled until then is enabled; later it was for a reason that is news. Null: none is. */
  enableUntil: number | null
}

export type Restart =
  | 'restarted'
  /** A replay of it is under way already. */
  | 'running'
  /** It has not ended yet, and is going to be sent anyway. */
  | 'pending'
  | 'not_found'
  | 'endpoint_deleted'
  | 'endpoint_disabled'
  /** The event's bytes were erased. */
  | 'payload_expired'

/** What is looked at of a delivery. */
export interface RestartRow extends Pick<Delivery, 'id' | 'endpointId' | 'finishedAt' | 'replays'> {
  /** Length of the event; null when it is not there. */
  bytes: number | null
}

type Switch = Pick<Endpoint, 'disabledAt' | 'deletedAt'>

/** Whether a delivery can be sent again. `restarted` and `running` need its endpoint enabled: see `isToBeEnabled`. */
export function judgeRestart(
  row: RestartRow | undefined,
  endpoint: Switch | undefined,
  request: RestartRequest,
): Restart {
  if (row === undefined) return 'not_found'
  if (row.finishedAt === null && row.replays === 0) return 'pending'
  if (endpoint === undefined || endpoint.deletedAt !== null) return 'endpoint_deleted'
  if (!row.bytes) return 'payload_expired'
  if (endpoint.disabledAt !== null && !isToBeEnabled(endpoint, request)) return 'endpoint_disabled'
  return row.finishedAt === null ? 'running' : 'restarted'
}

export function isToBeEnabled({ disabledAt, deletedAt }: Switch, { enableUntil }: RestartRequest): boolean {
  return disabledAt !== null && deletedAt === null && enableUntil !== null && disabledAt <= enableUntil
}

/** An endpoint that is enabled for a replay: as if its owner had done it. */
export function enabledEndpoint(endpoint: Endpoint, now: number): Endpoint {
  return { ...enabledLane(endpoint), disabledReason: null, enabledAt: now }
}
