import type { Clock } from '../clock.ts'
import type { JsonText } from '../core/job.ts'
import { isoTime, jsonWith } from '../core/job-view.ts'
import type { Engine } from '../engine/engine.ts'
import { keyRefusal } from '../errors.ts'
import type { EventRow, EventStore, NewKey } from '../store/store.ts'

export interface PublishDependencies {
  eventStore: EventStore
  engine: Engine
  clock: Clock
  /** How long a delivery may wait for a lane that is not sent to. */
  deliveryTtlMs: number
}

/** Something a tenant tells its receivers. */
export interface Publication {
  tenantId: string
  type: string
  /** As it was sent. */
  data: JsonText
  orderKey: string | null
  traceparent: string
  key: NewKey | null
}

export type Publish = (publication: Publication) => Promise<{ event: EventRow; repeated: boolean }>

/** Stores an event with its deliveries, and rings for their lanes and for those who pull. */
export function publisher({ eventStore, engine, clock, deliveryTtlMs }: PublishDependencies): Publish {
  return async ({ tenantId, type, data, orderKey, traceparent, key }) => {
    const createdAt = clock.now()
    const body = jsonWith({ type, timestamp: isoTime(createdAt) }, { data })
    const about = { id: clock.newId('evt'), tenantId, type, jobId: null, key: orderKey, body, traceparent, createdAt }
    const expiresAt = createdAt + deliveryTtlMs
    const accepted = await eventStore.accept({ ...about, expiresAt, newDeliveryId: () => clock.newId('dlv') }, key)
    switch (accepted.kind) {
      case 'key_reused':
      case 'key_busy':
        throw keyRefusal(accepted.kind)
      case 'created':
        if (accepted.lanes.length > 0) engine.wake('lanes', accepted.lanes)
        engine.wake('events', [tenantId])
        return { event: accepted.event, repeated: false }
      case 'repeated':
        return { event: accepted.event, repeated: true }
    }
  }
}
