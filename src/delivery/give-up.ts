import type { Clock } from '../clock.ts'
import type { BusinessEvents } from '../events.ts'
import type { Notices } from '../store/notices.ts'
import type { DeliveryStore } from '../store/store.ts'

export interface BacklogDependencies {
  deliveries: DeliveryStore
  clock: Clock
  notices: Notices
}

export interface GiveUpDependencies extends BacklogDependencies {
  /** How long a delivery may wait for a lane that is not sent to. */
  deliveryTtlMs: number
  /** How long one is held for a disabled endpoint. */
  retentionMs: number
  events: BusinessEvents
}

/** One transaction holds no more than this many (DESIGN §4). */
const CHUNK = 500

/** Ends deliveries whose time is over, and those of endpoints that are gone. */
export async function giveUpDeliveries({
  deliveries,
  clock,
  notices,
  deliveryTtlMs,
  retentionMs,
  events,
}: GiveUpDependencies): Promise<void> {
  const newId = () => clock.newId('dead')
  for (let count = CHUNK; count === CHUNK; ) {
    const now = clock.now()
    // `expires_at` is when it was made and the time it has.
    const heldBefore = now - retentionMs + deliveryTtlMs
    const enabledAfter = now - deliveryTtlMs
    count = await deliveries.expire({
      now,
      limit: CHUNK,
      newId,
      notices,
      heldBefore: Math.min(now, heldBefore),
      enabledAfter,
    })
    events.deliveriesGivenUp('expired', count)
  }
  for (let count = CHUNK; count === CHUNK; ) {
    count = await deliveries.buryDeleted({ now: clock.now(), limit: CHUNK, newId, notices })
    events.deliveriesGivenUp('endpoint_deleted', count)
  }
}

/** When something has been due for so long, its tenant is told. */
const BACKLOG_HIGH_MS = 5 * 60_000

/** Tells of lanes that are behind, e.g. since their receiver is down. */
export async function tellBacklogs({ deliveries, clock, notices }: BacklogDependencies): Promise<void> {
  const now = clock.now()
  await deliveries.tellBacklogs({ now, dueBefore: now - BACKLOG_HIGH_MS, notices })
}
