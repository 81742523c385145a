import type { Clock } from '../clock.ts'
import { isFinished, type Job } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { JobStore } from '../store/store.ts'

/**
 * Waits until the job is finished, at most `ms`, and returns it as it is then; null when there is no such job.
 * Costs two reads of the database, however long it takes: the end of the job rings.
 */
export type AwaitJob = (tenantId: string, id: string, ms: number, signal: AbortSignal) => Promise<Job | null>

export interface JobWaiters {
  awaitJob: AwaitJob
  /** Lets everyone go with what there is, now and from now on: the process stops. */
  release(): Promise<void>
}

/** Who waits for which jobs in this process. */
export function jobWaiters(jobs: JobStore, engine: Engine, clock: Clock): JobWaiters {
  const bells = new Map<string, Set<() => void>>()
  let released = false
  engine.onWake('finished', (ids) => {
    for (const id of ids) for (const ring of bells.get(id) ?? []) ring()
  })

  async function awaitJob(tenantId: string, id: string, ms: number, signal: AbortSignal): Promise<Job | null> {
    if (ms <= 0 || released) return jobs.get(tenantId, id)
    const enough = new AbortController()
    const ring = (): void => enough.abort()
    const bell = bells.get(id) ?? new Set()
    bells.set(id, bell.add(ring))
    try {
      // Listening before looking: an end in between is not missed.
      const job = await jobs.get(tenantId, id)
      if (job === null || isFinished(job.status)) return job
      await clock.sleep(ms, AbortSignal.any([enough.signal, signal])).catch(() => {})
      return await jobs.get(tenantId, id)
    } finally {
      bell.delete(ring)
      if (bell.size === 0) bells.delete(id)
    }
  }

  return {
    awaitJob,
    release: async () => {
      released = true
      for (const bell of bells.values()) for (const ring of bell) ring()
    },
  }
}
