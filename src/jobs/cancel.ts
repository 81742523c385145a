import type { Clock } from '../clock.ts'
import { isFinished, type Job } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { JobStore } from '../store/store.ts'
import { type CallbackSettings, ringCallback } from './callback.ts'
import { finishOf } from './end.ts'

export interface CancelDependencies {
  jobs: JobStore
  engine: Engine
  clock: Clock
  events: BusinessEvents
  callbacks: CallbackSettings
}

export type CancelJob = (tenantId: string, id: string) => Promise<Job>

/** Cancels in one transaction: a pending job never runs; a running one is told, and what it still returns is dropped. */
export function jobCanceller({ jobs, engine, clock, events, callbacks }: CancelDependencies): CancelJob {
  return async (tenantId, id) => {
    for (;;) {
      const job = await jobs.get(tenantId, id)
      if (job === null) throw new AppError('not-found', 'There is no such job.')
      if (isFinished(job.status)) throw new AppError('job-finished', `The job is ${job.status} already.`)
      const cancelled = await jobs.finishUnclaimed(
        id,
        job.version,
        finishOf(job, { status: 'cancelled' }, callbacks, clock),
      )
      // It changed between reading and writing: look again.
      if (cancelled === null) continue
      events.jobCancelled(cancelled)
      engine.wake('cancelled', [id])
      engine.wake('changed', [id])
      ringCallback(engine, cancelled)
      return cancelled
    }
  }
}
