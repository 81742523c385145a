import type { Clock } from '../clock.ts'
import { deadlineExceeded, decideRun, isFinished, type Job, type JobProblem } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError } from '../errors.ts'
import type { Sealer } from '../secrets.ts'
import type { JobStore } from '../store/store.ts'
import { type CallbackSettings, ringCallback } from './callback.ts'
import { finishOf, type JobEnd, problemJson } from './end.ts'
import { runPlace } from './handler-context.ts'

export interface OutsideDependencies {
  jobs: JobStore
  engine: Engine
  clock: Clock
  sealer: Sealer
  callbacks: CallbackSettings
}

/** Ends a job for somebody who has the token of its present run. @throws AppError 404, 409 */
export type EndFromOutside = (id: string, token: string, end: OutsideEnd) => Promise<Job>

export type OutsideEnd = { result: string } | { problem: JobProblem }

/**
 * The token proves itself, so an answer that comes before the run has been put to rest is taken, too;
 * what that run still does finds its claim gone.
 */
export function outsideEnder({ jobs, engine, clock, sealer, callbacks }: OutsideDependencies): EndFromOutside {
  return async (id, token, given) => {
    for (;;) {
      const job = await jobs.find(id)
      if (job === null || !sealer.isToken(token, runPlace(job))) {
        throw new AppError('not-found', 'There is no job that waits for this token.')
      }
      if (isFinished(job.status)) throw new AppError('job-finished', `The job is ${job.status} already.`)
      const end: JobEnd =
        'result' in given
          ? { status: 'completed', result: given.result, resultFileId: null }
          : { status: 'failed', problem: given.problem }
      const ended = await jobs.finishUnclaimed(id, job.version, finishOf(job, end, callbacks, clock))
      // It changed between reading and writing: look again.
      if (ended === null) continue
      engine.wake('cancelled', [id])
      engine.wake('changed', [id])
      ringCallback(engine, ended)
      return ended
    }
  }
}

const outsideTimeout: JobProblem = {
  code: 'timeout',
  title: 'Nobody completed the job in time',
  detail: 'It was suspended, and neither completed nor failed with its token within the time given.',
  status: 504,
  retryable: true,
}

const CHUNK = 500

/** Suspended runs whose time is up have failed. */
export async function failForgotten(deps: Omit<OutsideDependencies, 'sealer'>): Promise<void> {
  const { jobs, clock, callbacks, engine } = deps
  for (const job of await jobs.suspendedTooLong(clock.now(), CHUNK)) {
    const pastDeadline = job.deadlineAt !== null && job.deadlineAt <= clock.now()
    const problem = pastDeadline ? deadlineExceeded : outsideTimeout
    const decision = decideRun(job, problem, clock.now(), clock.random())
    if (decision.next === 'retry') await jobs.retry(job, decision.dueAt, problemJson(problem))
    else await jobs.finish(job, finishOf(job, { status: 'failed', problem }, callbacks, clock))
    engine.wake('changed', [job.id])
    ringCallback(engine, job)
  }
}
