import type { Delivery } from '../../../src/core/delivery.ts'
import { enabledLane } from '../../../src/core/lane.ts'
import type {
  DeadLetter,
  DeadLetterFilter,
  DeliveryFilter,
  DeliveryStore,
  DeliveryView,
  Endpoint,
  Replayed,
  ReplayRequest,
} from '../../../src/store/store.ts'
import { changeDelivery, type State } from './state.ts'
import { pageOf } from './submissions.ts'
import type { Verbs } from './verbs.ts'

type Deliveries = Verbs<Pick<DeliveryStore, 'get' | 'list' | 'deadLetter' | 'deadLetters' | 'replay'>> & {
  /** What `purge` chooses among. */
  purgeable(finishedBefore: number): Delivery[]
  purgeThese(ids: readonly string[]): void
}

/** How deliveries are read, sent again, and go. */
export function deliveries(state: State): Deliveries {
  const endpointOf = (delivery: Delivery) => state.endpoints.get(delivery.endpointId) as Endpoint
  const view = (delivery: Delivery): DeliveryView => ({
    ...delivery,
    held: delivery.status === 'pending' && endpointOf(delivery).disabledAt !== null,
  })
  const get = (tenantId: string | null, id: string) => {
    const delivery = state.deliveries.get(id)
    return delivery === undefined || (tenantId !== null && delivery.tenantId !== tenantId) ? null : view(delivery)
  }
  const lettersOf = (id: string) => [...state.letters.values()].filter(({ deliveryId }) => deliveryId === id)
  return {
    get,
    list(tenantId, filter, page) {
      const own = [...state.deliveries.values()].filter((one) => tenantId === null || one.tenantId === tenantId)
      return pageOf(
        own.map(view).filter((one) => fits(one, lettersOf(one.id), filter)),
        page,
      )
    },
    deadLetter: (id) => state.letters.get(id) ?? null,
    deadLetters: (filter, page) =>
      pageOf(
        [...state.letters.values()].filter((letter) => isMeant(letter, filter)),
        page,
      ),
    purgeable: (before) =>
      [...state.deliveries.values()].filter((one) => one.finishedAt !== null && one.finishedAt <= before),
    purgeThese(ids) {
      for (const id of ids) {
        state.events.delete(`${state.deliveries.get(id)?.eventId}`)
        state.deliveries.delete(id)
        state.attempts.delete(id)
        for (const letter of lettersOf(id)) state.letters.delete(letter.id)
      }
    },
    replay(request): Replayed {
      const delivery = get(request.tenantId, request.deliveryId)
      if (delivery === null) return { kind: 'not_found' }
      const running = delivery.finishedAt === null
      if (running && delivery.replays === 0) return { kind: 'pending' }
      if (state.events.get(delivery.eventId)?.body === '') return { kind: 'payload_expired' }
      const endpoint = endpointOf(delivery)
      if (endpoint.disabledAt !== null && !request.enable) return { kind: 'endpoint_disabled' }
      if (endpoint.disabledAt !== null) {
        const enabled = { ...enabledLane(endpoint), disabledReason: null, enabledAt: request.now }
        state.endpoints.set(endpoint.id, enabled)
      }
      if (!running) restart(state, request)
      return { kind: 'replaying', delivery: get(null, delivery.id) as DeliveryView, fresh: !running }
    },
  }

  function restart({ deliveries, letters }: State, { deliveryId, now, expiresAt, by }: ReplayRequest): void {
    const delivery = deliveries.get(deliveryId) as Delivery
    const fresh = { dueAt: now, attempts: 0, replays: delivery.replays + 1, expiresAt, finishedAt: null }
    changeDelivery(state, delivery, { status: 'pending', ...fresh })
    for (const letter of lettersOf(deliveryId)) {
      if (letter.replayedAt === null) letters.set(letter.id, { ...letter, replayedAt: now, replayedBy: by })
    }
  }
}

/** A filter that is not given fits all. */
function is<T>(wanted: T | undefined, value: T): boolean {
  return wanted === undefined || wanted === value
}

function within(at: number, { after, before }: { after?: number | undefined; before?: number | undefined }): boolean {
  return at >= (after ?? at) && (before === undefined || at < before)
}

function fits(delivery: DeliveryView, letters: readonly DeadLetter[], filter: DeliveryFilter): boolean {
  const { status, endpointId, jobId, eventType, reason } = filter
  return (
    is(status, delivery.held ? 'held' : delivery.status) &&
    is(endpointId, delivery.endpointId) &&
    is<string | null>(jobId, delivery.jobId) &&
    is(eventType, delivery.eventType) &&
    (reason === undefined || letters.some((letter) => letter.reason === reason)) &&
    within(delivery.createdAt, filter)
  )
}

function isMeant(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  const { tenantId, endpointId, reason, fingerprint } = filter
  return (
    is(tenantId, letter.tenantId) &&
    is(endpointId, letter.endpointId) &&
    is(reason, letter.reason) &&
    is(fingerprint, letter.fingerprint) &&
    within(letter.diedAt, filter)
  )
}
