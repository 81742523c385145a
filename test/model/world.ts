import fc from 'fast-check'
import { expect } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import type { ClaimedDelivery, Store } from '../../src/store/store.ts'
import type { FakeClock } from '../support/clock.ts'
import { countStep } from './check.ts'
import type { Reference } from './reference/reference.ts'

export const TENANTS = ['ten_a', 'ten_b', 'ten_c'] as const
export const TYPES = ['echo', 'mail'] as const
export const WORKERS = ['wrk_a', 'wrk_b'] as const

/** A store, and beside it the reference that must give the same answers. */
export interface World {
  store: Store
  reference: Reference
  clock: FakeClock
  /** Three receivers, for this run alone: a store may remember endpoints longer than a test keeps its rows. */
  origins: readonly [string, string, string]
  /** Makes an implied endpoint a registered one, disabled or not, as no verb does yet. Null when the database cannot be reached. */
  register: ((endpointId: string, disabledAt: number | null) => Promise<void>) | null
  /** All runs that were ever claimed, and all deliveries: what was taken over since is stale. */
  runs: Job[]
  sent: ClaimedDelivery[]
}

/** A command of fast-check's model runs. The world is model and system in one. */
export type Step = fc.AsyncCommand<World, World>

export interface WeightedStep {
  /** How often it comes, against the others. */
  weight: number
  arbitrary: fc.Arbitrary<Step>
}

/** A command that takes what it needs out of the world when it comes to run. */
export function step<Values>(
  weight: number,
  name: string,
  values: fc.Arbitrary<Values>,
  run: (world: World, values: Values) => Promise<void>,
): WeightedStep {
  const arbitrary = values.map<Step>((given) => ({
    check: () => true,
    run: (world) => {
      countStep()
      return run(world, given)
    },
    toString: () => `${name}(${fc.stringify(given)})`,
  }))
  return { weight, arbitrary }
}

/** Asks the store and the reference the same, and wants the same answer. */
export async function agree<Answer>(
  { store, reference }: World,
  askStore: (store: Store) => Promise<Answer>,
  askReference: (reference: Reference) => NoInfer<Answer>,
): Promise<Answer> {
  const actual = await askStore(store)
  expect(actual).toStrictEqual(askReference(reference))
  return actual
}

/** … whatever the order. */
export async function agreeOnSet(
  world: World,
  askStore: (store: Store) => Promise<string[]>,
  askReference: (reference: Reference) => string[],
): Promise<void> {
  const actual = await askStore(world.store)
  expect(actual.sort()).toEqual(askReference(world.reference).sort())
}

/** Of these rows, as many as the limit allows: which ones is left to the store. */
export function expectSome<Row extends { id: string }>(actual: Row[], candidates: readonly Row[], limit: number): void {
  const byId = new Map(candidates.map((row) => [row.id, row]))
  expect(actual).toHaveLength(Math.min(limit, candidates.length))
  expect(actual).toStrictEqual([...new Set(actual.map(({ id }) => id))].map((id) => byId.get(id)))
}

/** … by a verb that only counts them: what it took is seen afterwards. */
export async function takeSome<Row extends { id: string }>(
  verb: Promise<number>,
  candidates: readonly Row[],
  limit: number,
  isTaken: (row: Row) => Promise<boolean>,
): Promise<Row[]> {
  const count = await verb
  const answers = await Promise.all(candidates.map(isTaken))
  const taken = candidates.filter((_, i) => answers[i])
  expect({ count, taken: taken.length }).toEqual({ count: Math.min(limit, candidates.length), taken: count })
  return taken
}

/** Of what is due, the earliest were taken: only among those of the same time there was a choice. */
export function expectEarliest<Row extends { id: string }>(
  taken: readonly Row[],
  candidates: readonly Row[],
  time: (row: Row) => number,
): void {
  const ids = new Set(taken.map(({ id }) => id))
  const left = candidates.filter(({ id }) => !ids.has(id))
  if (taken.length * left.length > 0) {
    expect(Math.max(...taken.map(time))).toBeLessThanOrEqual(Math.min(...left.map(time)))
  }
}

/** Chooses one of what there is; numbers near 0 are the newest. */
export function pick<T>(from: Iterable<T>, number: number): T | undefined {
  const all = [...from]
  return all[all.length - 1 - (number % Math.max(1, all.length))]
}

/** A choice of `pick`. Most are of the last few, so that commands meet. */
export const which: fc.Arbitrary<number> = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, fc.nat(30))
/** One of them has more than the others, so that something waits behind something. */
export const tenant: fc.Arbitrary<string> = fc.constantFrom(TENANTS[0], ...TENANTS)
export const worker: fc.Arbitrary<string> = fc.constantFrom(...WORKERS)
/** How many at most: seldom more than there are. */
export const limit: fc.Arbitrary<number> = fc.constantFrom(1, 2, 3, 100)

/** True in one case of `n`. */
export function oneIn(n: number): fc.Arbitrary<boolean> {
  return fc.nat(n - 1).map((number) => number === n - 1)
}
