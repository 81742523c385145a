import { decideNext, deliveryPolicy } from '../core/delivery.ts'
import { isoTime, jsonWith } from '../core/job-view.ts'
import { traceFrom } from '../core/trace.ts'
import { AppError } from '../errors.ts'
import { newDeliveryRow } from '../store/new-rows.ts'
import type { Attempt, EndpointStore } from '../store/store.ts'
import { type AttemptDependencies, attempt, attemptRow } from './deliver.ts'

export interface TryDependencies extends AttemptDependencies {
  endpoints: EndpointStore
}

/** Sends a `webhook.test` event now, signed like any other, and tells what came of it. Nothing is stored or tried again. */
export type TryEndpoint = (tenantId: string, id: string) => Promise<{ eventId: string; attempt: Attempt }>

const ONCE = deliveryPolicy([])

export function endpointTrier(deps: TryDependencies): TryEndpoint {
  const { endpoints, clock } = deps
  return async (tenantId, id) => {
    const endpoint = await endpoints.get(tenantId, id)
    if (endpoint === null) throw new AppError('not-found', 'There is no such endpoint.')
    const startedAt = clock.now()
    const type = 'webhook.test'
    const data = JSON.stringify({ endpoint_id: id, message: 'If you can verify this, your endpoint is ready.' })
    const event = { id: clock.newId('evt'), tenantId, type, jobId: null, createdAt: startedAt }
    const where = { id: clock.newId('dlv'), endpointId: id, url: endpoint.url as string, expiresAt: startedAt }
    const delivery = {
      ...newDeliveryRow(event, { ...where, attempts: 1, claimNo: 1 }),
      body: jsonWith({ type, timestamp: isoTime(startedAt) }, { data }),
      traceparent: traceFrom(undefined, clock.newHex),
    }
    const { request, result } = await attempt({ delivery, endpoint }, ONCE, deps)
    const now = clock.now()
    const decision = decideNext(delivery, result.outcome, ONCE, now, 0)
    return { eventId: event.id, attempt: attemptRow(delivery, request, result, decision, startedAt, now) }
  }
}
