import type { Clock } from '../clock.ts'
import { isFinished, type Job } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { JobStore } from '../store/store.ts'

/** Watches one job from the moment it is made, so that what happens between two looks is not missed. */
export interface JobWatch extends Disposable {
  /** Resolves when the job changed since the last call, after `ms`, or when the signal is aborted. Never rejects. */
  next(ms: number, signal: AbortSignal): Promise<void>
}

/**
 * Waits until the job is finished, at most `ms`, and returns it as it is then; null when there is no such job.
 * It is woken by the job's changes and reads the database only then.
 */
export type AwaitJob = (tenantId: string, id: string, ms: number, signal: AbortSignal) => Promise<Job | null>

export interface JobWatchers {
  watch(id: string): JobWatch
  awaitJob: AwaitJob
  /** Aborted when the process stops: everyone is to be let go with what there is. */
  stopping: AbortSignal
  release(): Promise<void>
}

/**
 * A wake-up from another process can be lost: who waits looks for itself this often, and learns by it that the database
 * is gone, in less than the 5 s within which every call is to be answered then.
 */
const LOOK_AGAIN_MS = 4000

/** Who watches which jobs in this process. */
export function jobWatchers(jobs: JobStore, engine: Engine, clock: Clock): JobWatchers {
  const bells = new Map<string, Set<() => void>>()
  const stopping = new AbortController()
  engine.onWake('changed', (ids) => {
    const rung = ids.length === 0 ? [...bells.keys()] : ids
    for (const id of rung) for (const ring of bells.get(id) ?? []) ring()
  })

  function watch(id: string): JobWatch {
    let rung = false
    let wake: AbortController | null = null
    const ring = (): void => {
      rung = true
      wake?.abort()
    }
    const bell = bells.get(id) ?? new Set()
    bells.set(id, bell.add(ring))
    return {
      async next(ms, signal) {
        if (!rung && ms > 0) {
          wake = new AbortController()
          await clock.sleep(ms, AbortSignal.any([wake.signal, signal, stopping.signal])).catch(() => {})
        }
        rung = false
      },
      [Symbol.dispose]: () => {
        bell.delete(ring)
        if (bell.size === 0) bells.delete(id)
      },
    }
  }

  async function awaitJob(tenantId: string, id: string, ms: number, signal: AbortSignal): Promise<Job | null> {
    if (ms <= 0) return jobs.get(tenantId, id)
    using watcher = watch(id)
    const until = clock.now() + ms
    for (;;) {
      const job = await jobs.get(tenantId, id)
      const left = until - clock.now()
      const enough = job === null || isFinished(job.status) || left <= 0
      if (enough || signal.aborted || stopping.signal.aborted) return job
      await watcher.next(Math.min(left, LOOK_AGAIN_MS), signal)
    }
  }

  return {
    watch,
    awaitJob,
    stopping: stopping.signal,
    release: async () => stopping.abort(),
  }
}
