import type { Clock } from '../clock.ts'
import { isFinished, type Job } from '../core/job.ts'
import type { JobStore } from '../store/store.ts'
import type { Backlog } from './backlog.ts'

/** How much the newest run weighs in the mean. */
const WEIGHT = 0.1

/** Positions are exact to here; beyond, "at least" is all that is said (CONTRACT §3). */
export const EXACT_POSITION = 1000

/** What a client can be told about the time that is left. */
export interface Estimate {
  /** Ready jobs of the type that are ahead, counted to EXACT_POSITION; null when it is not waiting in the queue. */
  position: number | null
  /** Ms since 1970; null without any run of the type to go by. */
  completionAt: number | null
}

/** Mean run times by type, from recent runs. Those of other processes and earlier starts come from the store. */
export class RunTimes {
  readonly #means = new Map<string, number>()
  readonly #changed = new Map<string, number>()

  record(type: string, ms: number): void {
    const mean = this.#means.get(type)
    const next = mean === undefined ? ms : mean + WEIGHT * (ms - mean)
    this.#means.set(type, next)
    this.#changed.set(type, next)
  }

  mean(type: string): number | null {
    return this.#means.get(type) ?? null
  }

  /** Writes what changed here, and takes over what others wrote. */
  async sync(store: JobStore, clock: Clock): Promise<void> {
    const changed = new Map(this.#changed)
    // Before the first await: a run that ends meanwhile is of the next round.
    this.#changed.clear()
    if (changed.size > 0) await store.saveRunTimes(changed, clock.now())
    for (const [type, mean] of await store.runTimes()) {
      if (!changed.has(type) && !this.#changed.has(type)) this.#means.set(type, mean)
    }
  }
}

export interface EstimateDependencies {
  jobs: JobStore
  runTimes: RunTimes
  clock: Clock
  backlog: Backlog
  /** How many of a type run at once. */
  concurrencyOf(type: string): number
}

export type EstimateJob = (job: Job) => Promise<Estimate>

/** Those ahead share the places of the type; then comes one run of its own. A run that is late is about to end. */
export function estimator({ jobs, runTimes, clock, backlog, concurrencyOf }: EstimateDependencies): EstimateJob {
  return async (job) => {
    if (isFinished(job.status)) return { position: null, completionAt: null }
    const position = job.status === 'processing' ? 0 : await jobs.position(job, EXACT_POSITION)
    const mean = runTimes.mean(job.type)
    if (mean === null) return { position, completionAt: null }
    const now = clock.now()
    if (job.status === 'processing') {
      return { position, completionAt: Math.max(now + 1000, (job.startedAt ?? now) + mean) }
    }
    // Beyond what is counted exactly, all that waits is the better guess.
    const ahead = position === EXACT_POSITION ? Math.max(position, backlog.ready) : (position ?? 0)
    const turns = Math.ceil((ahead + 1) / concurrencyOf(job.type))
    return { position, completionAt: Math.max(now, job.dueAt) + turns * mean }
  }
}

const MAX_RETRY_AFTER_S = 60
/** What a job ahead is taken to cost while no run of the type has been seen. */
const UNKNOWN_RUN_MS = 20

/** Seconds to wait before asking again: as long as the work is expected to take, at least 1. */
export function retryAfterS(job: Job, estimate: Estimate, now: number): number {
  const unknown = Math.max((now - job.createdAt) / 4, (estimate.position ?? 0) * UNKNOWN_RUN_MS)
  const left = estimate.completionAt === null ? unknown : estimate.completionAt - now
  // It cannot be done before its time, whatever is known of its type.
  return Math.min(MAX_RETRY_AFTER_S, Math.max(1, Math.ceil(Math.max(left, job.dueAt - now) / 1000)))
}
