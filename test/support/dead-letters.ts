import type { Clock } from '../../src/clock.ts'
import { newEndpointRow } from '../../src/store/new-rows.ts'
import type { Notices } from '../../src/store/notices.ts'
import type { Endpoint, Store } from '../../src/store/store.ts'

const CHUNK = 500
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const silent: Notices = { ofLane: () => [], ofDeath: () => [], ofBacklog: () => [] }

/** A registered endpoint, signed with the tenant's secret. */
export async function addEndpoint(
  store: Store,
  clock: Clock,
  tenantId: string,
  url: string,
  changes: Partial<Endpoint> = {},
): Promise<string> {
  const id = clock.newId('ep')
  const eventTypes = '["order.*"]'
  const row = newEndpointRow({ id, tenantId, kind: 'registered', url, eventTypes, createdAt: clock.now(), ...changes })
  await store.endpoints.add(row, null)
  return id
}

/** Events to all endpoints of the tenant, and as many dead letters as that makes: their time was over when they were made. */
export async function addDeadLetters(
  store: Store,
  clock: Clock,
  tenantId: string,
  events: number,
  body = '{"type":"order.paid"}',
): Promise<string[]> {
  const now = clock.now()
  const add = async (): Promise<string> => {
    const id = clock.newId('evt')
    const event = { id, tenantId, type: 'order.paid', jobId: null, key: null, body, traceparent: TRACE, createdAt: now }
    await store.events.accept({ ...event, expiresAt: now, newDeliveryId: () => clock.newId('dlv') }, null)
    return id
  }
  const ids: string[] = []
  while (ids.length < events) {
    const some = Array.from({ length: Math.min(CHUNK, events - ids.length) }, add)
    ids.push(...(await Promise.all(some)))
  }
  const newId = () => clock.newId('dead')
  const request = { now, limit: CHUNK, heldBefore: now, enabledAfter: now, newId, notices: silent }
  while ((await store.deliveries.expire(request)) === CHUNK);
  return ids
}
