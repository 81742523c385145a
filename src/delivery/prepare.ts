import { type SigningKey, sign } from '../core/signature.ts'
import { childSpan, hopsOf } from '../core/trace.ts'
import type { EgressRequest } from '../egress/client.ts'
import type { ClaimedDelivery } from '../store/store.ts'
import { VERSION } from '../version.ts'

/** At most this much of a receiver's answer is read (CONTRACT §4). */
const MAX_RESPONSE_BYTES = 16 * 1024

/** How an endpoint wants its requests. */
export interface RequestSettings {
  /** Of a registered endpoint, as it is now; null: the one the delivery was made with. */
  url: string | null
  /** That sign, the newest first. */
  keys: readonly SigningKey[]
  /** The endpoint's own, lower case. */
  headers: Readonly<Record<string, string>>
  maxAttempts: number
  timeoutMs: number
}

/** What of a delivery is in its request. */
type PreparedDelivery = Pick<ClaimedDelivery, 'url' | 'eventId' | 'body' | 'attempts' | 'replays' | 'traceparent'>

/**
 * The request of one attempt: the event's bytes as they were fixed, signed for now.
 * @param wallClockMs Receivers compare it with their own clocks, so it is the host's and not the injected one
 */
export function prepareRequest(
  delivery: PreparedDelivery,
  { url, keys, headers, maxAttempts, timeoutMs }: RequestSettings,
  wallClockMs: number,
  newHex: (digits: number) => string,
): EgressRequest {
  const timestamp = Math.floor(wallClockMs / 1000)
  return {
    method: 'POST',
    url: url ?? delivery.url,
    headers: {
      ...headers,
      'content-type': 'application/json',
      'user-agent': `Posthorn/${VERSION}`,
      'webhook-id': delivery.eventId,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': sign(keys, delivery.eventId, timestamp, delivery.body),
      'webhook-attempt': String(delivery.attempts),
      'webhook-max-attempts': String(maxAttempts),
      ...(delivery.replays > 0 ? { 'webhook-replay': 'true' } : {}),
      'webhook-hops': String(hopsOf(delivery.traceparent) + 1),
      traceparent: childSpan(delivery.traceparent, newHex),
    },
    body: delivery.body,
    timeoutMs,
    maxBytes: MAX_RESPONSE_BYTES,
  }
}
