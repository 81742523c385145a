import fc from 'fast-check'
import type { Delivery } from '../../../src/core/delivery.ts'
import type { ReplayRequest } from '../../../src/store/store.ts'
import { agree, limit, pick, step, takeSome, tenant, type WeightedStep, which } from '../world.ts'

const replay = fc.record({
  delivery: which,
  ended: fc.boolean(),
  caller: fc.constantFrom('admin', 'owner', 'other'),
  other: tenant,
  enable: fc.boolean(),
})

export const settling: WeightedStep[] = [
  step(8, 'replay', replay, async (world, { delivery: number, ended, caller, other, enable }) => {
    const { reference, clock } = world
    const all = [...reference.state.deliveries.values()]
    const delivery = pick(ended ? all.filter(({ finishedAt }) => finishedAt !== null) : all, number)
    const now = clock.now()
    const act = { actor: 'key_admin', action: 'delivery.replay', target: `${delivery?.id}`, requestId: 'req' }
    const request: ReplayRequest = {
      deliveryId: delivery?.id ?? 'dlv_none',
      tenantId: caller === 'admin' ? null : caller === 'other' ? other : (delivery?.tenantId ?? other),
      now,
      expiresAt: now + 1000,
      by: `key_${caller}`,
      enable,
      audit: caller === 'admin' ? { id: clock.newId('aud'), at: now, ...act } : null,
    }
    await agree(
      world,
      (store) => store.deliveries.replay(request),
      (reference) => reference.deliveries.replay(request),
    )
  }),
  step(4, 'register', fc.record({ lane: which, disable: fc.boolean() }), async (world, { lane, disable }) => {
    const { reference, register, clock } = world
    const endpoint = pick(reference.state.endpoints.values(), lane)
    if (endpoint === undefined || register === null) return
    const disabledAt = disable ? clock.now() : null
    await register(endpoint.id, disabledAt)
    reference.state.endpoints.set(endpoint.id, { ...endpoint, kind: 'registered', disabledAt })
  }),
  step(2, 'purge deliveries', fc.record({ limit, agoMs: fc.constantFrom(0, 1000, 60_000) }), async (world, given) => {
    const { store, reference, clock } = world
    const before = clock.now() - given.agoMs
    const isGone = async ({ id }: Delivery) => (await store.deliveries.get(null, id)) === null
    const candidates = reference.deliveries.purgeable(before)
    const gone = await takeSome(store.deliveries.purge(before, given.limit), candidates, given.limit, isGone)
    reference.deliveries.purgeThese(gone.map(({ id }) => id))
  }),
  step(
    1,
    'get a delivery',
    fc.record({ delivery: which, owner: fc.option(tenant) }),
    async (world, { delivery, owner }) => {
      const id = pick(world.reference.state.deliveries.keys(), delivery) ?? 'dlv_none'
      await agree(
        world,
        (store) => store.deliveries.get(owner, id),
        (reference) => reference.deliveries.get(owner, id),
      )
    },
  ),
]
