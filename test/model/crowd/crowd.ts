import fc from 'fast-check'
import type { Job } from '../../../src/core/job.ts'
import type {
  Accepted,
  AttemptRecord,
  ClaimedDelivery,
  JobClaim,
  LaneClaim,
  NewCallback,
  NewJob,
  NewKey,
  Store,
} from '../../../src/store/store.ts'
import type { FakeClock } from '../../support/clock.ts'
import { countStep } from '../check.ts'
import type { World } from '../world.ts'

/** What all callers were told, whichever store they asked: more than the truth must not be among it. */
export interface Crowd {
  stores: readonly [Store, ...Store[]]
  clock: FakeClock
  origins: World['origins']
  accepted: { job: NewJob; key: NewKey | null; answer: Accepted }[]
  runs: Job[]
  /** Verbs of a run that were told that the run has its job. */
  progressed: JobClaim[]
  released: (JobClaim & { lost: boolean })[]
  retried: JobClaim[]
  ended: Job[]
  /** Events that were told to be stored. */
  called: NewCallback[]
  laneClaims: LaneClaim[]
  sent: ClaimedDelivery[]
  recorded: AttemptRecord[]
  /** Deliveries whose attempt was lost, as counted. */
  lostAttempts: number
  /** Jobs and deliveries that were put back as not known, once for each time. */
  unknownJobs: string[]
  unknownDeliveries: string[]
  /** Deliveries, once for each fresh replay. */
  replayed: string[]
  erased: string[]
  /** How jobs were when the last group of calls had ended. */
  known: Map<string, Job>
}

export function newCrowd(stores: Crowd['stores'], clock: FakeClock, origins: World['origins']): Crowd {
  const told = { accepted: [], runs: [], progressed: [], released: [], retried: [], ended: [], called: [] }
  const delivered = { laneClaims: [], sent: [], recorded: [], lostAttempts: 0, replayed: [], erased: [] }
  const unknown = { unknownJobs: [], unknownDeliveries: [] }
  return { stores, clock, origins, ...told, ...delivered, ...unknown, known: new Map() }
}

/** A call that is made together with others. It chooses what it asks for before it waits for anything. */
export interface Call {
  /** By which of the stores. */
  store: number
  run(crowd: Crowd, store: Store): Promise<void>
}

export interface WeightedCall {
  name: string
  weight: number
  arbitrary: fc.Arbitrary<Call>
}

export function call<Values>(
  weight: number,
  name: string,
  values: fc.Arbitrary<Values>,
  run: (crowd: Crowd, store: Store, values: Values) => Promise<void>,
): WeightedCall {
  const arbitrary = fc.tuple(fc.nat(1), values).map(([store, given]) => ({
    store,
    run: (crowd: Crowd, by: Store) => {
      countStep()
      return run(crowd, by, given)
    },
    [fc.toStringMethod]: () => `${name}(${fc.stringify(given)}) by store ${store}`,
  }))
  return { name, weight, arbitrary }
}
