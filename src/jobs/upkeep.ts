import type { Clock } from '../clock.ts'
import { deadlineExceeded, type Job, MAX_LOST_RUNS, workerLost } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { JobStore } from '../store/store.ts'
import { type CallbackSettings, ringCallback } from './callback.ts'
import { finishOf } from './end.ts'

export interface UpkeepDependencies {
  jobs: JobStore
  engine: Engine
  clock: Clock
  callbacks: CallbackSettings
}

const CHUNK = 500

/** Scheduled jobs whose time has come become ready; those past their deadline fail. */
export async function advanceQueue({ jobs, engine, clock, callbacks }: UpkeepDependencies): Promise<void> {
  let promoted = 0
  for (let count = CHUNK; count === CHUNK; promoted += count) count = await jobs.promote(clock.now(), CHUNK)
  // The other processes look every second, too.
  if (promoted > 0) engine.wake('jobs', [])
  for (const job of await jobs.overdue(clock.now(), CHUNK)) {
    const finish = finishOf(job, { status: 'failed', problem: deadlineExceeded }, callbacks, clock)
    const finished = await jobs.finishUnclaimed(job.id, job.version, finish)
    if (finished === null) continue
    engine.wake('changed', [finished.id])
    ringCallback(engine, finished)
  }
}

/** Jobs of processes that died go back into the queue, or fail when that happened too often. Returns how many. */
export async function recoverJobs(deps: UpkeepDependencies): Promise<number> {
  let recovered = 0
  for (;;) {
    const lost = await deps.jobs.lost(CHUNK)
    await Promise.all(lost.map((job) => recover(job, deps)))
    recovered += lost.length
    if (lost.length < CHUNK) return recovered
  }
}

async function recover(job: Job, { jobs, callbacks, clock, engine }: UpkeepDependencies): Promise<void> {
  if (job.lostRuns + 1 < MAX_LOST_RUNS) {
    await jobs.release(job, true)
    engine.wake('jobs', [job.type])
    return
  }
  await jobs.finish(job, finishOf(job, { status: 'failed', problem: workerLost }, callbacks, clock))
  engine.wake('changed', [job.id])
  ringCallback(engine, job)
}
