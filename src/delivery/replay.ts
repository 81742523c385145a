import { auditEntry } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { ApiKey, DeliveryStore, DeliveryView } from '../store/store.ts'

export interface ReplayDependencies {
  deliveries: DeliveryStore
  engine: Engine
  clock: Clock
  events: BusinessEvents
  /** How long the replay may wait for a lane that is not sent to. */
  deliveryTtlMs: number
}

/** Who asks for which delivery. Admins reach all tenants and are audited. */
export interface ReplayOrder {
  deliveryId: string
  caller: ApiKey
  requestId: string
  enable: boolean
}

export type Replay = (order: ReplayOrder) => Promise<DeliveryView>

/** Sends a delivery again that was delivered or is dead; while a replay runs, asking again changes nothing. */
export function replayer({ deliveries, engine, clock, events, deliveryTtlMs }: ReplayDependencies): Replay {
  return async ({ deliveryId, caller, requestId, enable }) => {
    const now = clock.now()
    const admin = caller.role === 'admin'
    const replayed = await deliveries.replay({
      deliveryId,
      tenantId: caller.tenantId,
      now,
      expiresAt: now + deliveryTtlMs,
      by: caller.id,
      enable,
      audit: admin ? auditEntry('delivery.replay', deliveryId, { caller, requestId }, clock) : null,
    })
    switch (replayed.kind) {
      case 'not_found':
        throw new AppError('not-found', 'There is no such delivery.')
      case 'pending':
        throw new AppError('delivery-pending', 'The delivery has not ended yet; it is still going to be sent.')
      case 'endpoint_disabled':
        throw new AppError('endpoint-disabled', 'The endpoint is disabled, so the replay would be held.')
      case 'endpoint_deleted':
        throw new AppError('endpoint-deleted', 'The endpoint was deleted, so there is nobody to send it to.')
      case 'payload_expired':
        throw new AppError('payload-expired', 'The bytes of the event were erased.')
      case 'replaying':
        if (replayed.fresh) {
          events.deliveryReplayed({ deliveryId, by: caller.id, role: caller.role, requestId })
          engine.wake('lanes', [replayed.delivery.endpointId])
        }
        return replayed.delivery
    }
  }
}
