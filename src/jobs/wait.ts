import type { Clock } from '../clock.ts'
import { isFinished, type Job } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import { LOOK_AGAIN_MS, type Watchers, watchers } from '../engine/watch.ts'
import type { JobStore } from '../store/store.ts'

/**
 * Waits until the job is finished, at most `ms`, and returns it as it is then; null when there is no such job.
 * It is woken by the job's changes and reads the database only then.
 */
export type AwaitJob = (tenantId: string, id: string, ms: number, signal: AbortSignal) => Promise<Job | null>

/** Who watches which jobs in this process. */
export interface JobWatchers extends Watchers {
  awaitJob: AwaitJob
}

export function jobWatchers(jobs: JobStore, engine: Engine, clock: Clock): JobWatchers {
  const watching = watchers(engine, 'changed', clock)
  return {
    ...watching,
    async awaitJob(tenantId, id, ms, signal) {
      if (ms <= 0) return jobs.get(tenantId, id)
      using watcher = watching.watch(id)
      const until = clock.now() + ms
      for (;;) {
        const job = await jobs.get(tenantId, id)
        const left = until - clock.now()
        const enough = job === null || isFinished(job.status) || left <= 0
        if (enough || signal.aborted || watching.stopping.aborted) return job
        await watcher.next(Math.min(left, LOOK_AGAIN_MS), signal)
      }
    },
  }
}
