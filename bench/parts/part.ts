import type { Contender } from '../contenders/contender.ts'
import type { Results } from '../results.ts'
import type { RunPlan } from '../run.ts'

/** What parts have in common. */
export interface Bench {
  /** The bare loop, then the service on each engine. */
  contenders: readonly Contender[]
  /** The same, counting what their databases do. */
  counted: readonly Contender[]
  /** The same with full tables, named so. */
  full: readonly Contender[]
  /** The same with deliveries due. */
  recovering: readonly Contender[]
  /** Those that run as several processes, and the bare loop, which is one. */
  clustered: readonly Contender[]
  /** The same contenders, which leave processor profiles in a folder when they end. */
  profiled(folder: string): readonly Contender[]
  results: Results
  /** How long each run is. */
  times: Pick<RunPlan, 'warmupMs' | 'windowMs'>
}

/** Measures one thing, and leaves its rows in the results. */
export type Part = (bench: Bench) => Promise<void>
