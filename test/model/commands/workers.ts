import fc from 'fast-check'
import { expect } from 'vitest'
import { agree, oneIn, pick, step, type WeightedStep, WORKERS, which, worker } from '../world.ts'

export const working: WeightedStep[] = [
  step(6, 'enter', which, async ({ store, reference, clock }, number) => {
    const id = pick(
      WORKERS.filter((worker) => !reference.state.workers.has(worker)),
      number,
    )
    if (id === undefined) return
    await store.workers.enter(id, clock.now())
    reference.workers.enter(id)
  }),
  step(1, 'beat', worker, async ({ store, reference, clock }, id) => {
    const time = await store.workers.beat(id, clock.now())
    expect(time !== null).toBe(reference.workers.beat(id))
  }),
  step(1, 'strikeOff', fc.record({ worker, stale: oneIn(3) }), async (world, { worker, stale }) => {
    const seen = await world.store.workers.seen()
    const beats = seen.find(({ id }) => id === worker)?.beats ?? 0
    expect(beats).toBe(world.reference.state.workers.get(worker) ?? 0)
    const asSeen = { id: worker, beats: stale ? beats - 1 : beats }
    await agree(
      world,
      (store) => store.workers.strikeOff(asSeen),
      (reference) => reference.workers.strikeOff(asSeen),
    )
  }),
  step(1, 'leave', worker, async (world, id) => {
    await agree(
      world,
      (store) => store.workers.leave(id),
      (reference) => reference.workers.leave(id),
    )
  }),
  step(6, 'advance', fc.constantFrom(1, 500, 1000, 5000, 30_000, 70_000), async ({ clock }, ms) => clock.advance(ms)),
]
