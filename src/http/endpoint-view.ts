import { isoTime, isoTimeOrNull, type Link } from '../core/job-view.ts'
import type { CustomHeaders } from '../delivery/signing-keys.ts'
import type { Endpoint } from '../store/store.ts'

/**
 * An endpoint as the API shows it: of its headers the names alone.
 * @param publicKey What its Ed25519 signatures are verified with; null when it gets none
 */
export function endpointView(
  endpoint: Endpoint,
  publicKey: string | null,
  publicUrl: string,
  customHeaders: CustomHeaders,
  now: number,
) {
  const waits = endpoint.retrySchedule === null ? null : (JSON.parse(endpoint.retrySchedule) as number[])
  const paused = endpoint.pausedUntil !== null && endpoint.pausedUntil > now
  return {
    id: endpoint.id,
    url: endpoint.url,
    description: endpoint.description,
    event_types: JSON.parse(endpoint.eventTypes) as string[],
    headers: Object.fromEntries(Object.keys(customHeaders(endpoint)).map((name) => [name, '***'])),
    max_concurrency: endpoint.maxConcurrency,
    rate_limit_per_s: endpoint.rateLimitPerS,
    retry_schedule: waits?.map((ms) => ms / 1000) ?? null,
    ordering: endpoint.ordering,
    ed25519: publicKey !== null,
    ...(publicKey !== null && { public_key: publicKey }),
    enabled: endpoint.disabledAt === null,
    disabled_reason: endpoint.disabledReason,
    lane: {
      concurrency: endpoint.concurrency,
      breaker: endpoint.probeAt === null ? 'closed' : 'open',
      next_probe_at: isoTimeOrNull(endpoint.probeAt),
      paused_until: paused ? isoTimeOrNull(endpoint.pausedUntil) : null,
      failures: endpoint.failures,
      last_success_at: isoTimeOrNull(endpoint.lastSuccessAt),
    },
    metadata: JSON.parse(endpoint.metadata ?? '{}') as Record<string, string>,
    created_at: isoTime(endpoint.createdAt),
    updated_at: isoTimeOrNull(endpoint.updatedAt),
    links: endpointLinks(endpoint, publicUrl),
  }
}

function endpointLinks({ id }: Endpoint, publicUrl: string): Link[] {
  const url = `${publicUrl}/v1/endpoints/${id}`
  return [
    { href: url, rel: 'self', method: 'GET' },
    { href: `${url}/rotate-secret`, rel: 'rotate-secret', method: 'POST' },
    { href: `${publicUrl}/v1/deliveries?endpoint_id=${id}`, rel: 'deliveries', method: 'GET' },
  ]
}
