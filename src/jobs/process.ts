import { Readable } from 'node:stream'
import type { Clock } from '../clock.ts'
import { deadlineExceeded, decideRun, type Job, type JobProblem } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { BusinessEvents } from '../events.ts'
import { problemOf } from '../handlers/define.ts'
import type { Isolation, RunResult } from '../handlers/isolate.ts'
import { checkInput, type RegisteredHandler, type Registry } from '../handlers/registry.ts'
import { notStored, resultOf } from '../handlers/suspension.ts'
import type { JobStore } from '../store/store.ts'
import { untilStored } from '../store/until-stored.ts'
import { type CallbackSettings, callbackFor, ringCallback } from './callback.ts'
import { finishOf, type JobEnd, problemJson } from './end.ts'
import type { RunTimes } from './estimate.ts'
import { type ContextDependencies, handlerContext } from './handler-context.ts'
import { ProgressKeeper } from './progress.ts'

/** Why a run is ended from outside. */
export class RunAborted extends Error {
  readonly why: 'cancelled' | 'lost' | 'timeout' | 'deadline' | 'shutdown'
  constructor(why: RunAborted['why']) {
    super(`the run was ended: ${why}`)
    this.name = 'RunAborted'
    this.why = why
  }
}

export interface ProcessDependencies extends ContextDependencies {
  jobs: JobStore
  registry: Registry
  isolation: Isolation
  engine: Engine
  clock: Clock
  events: BusinessEvents
  callbacks: CallbackSettings
  runTimes: RunTimes
}

/**
 * Performs one claimed job and stores what came of it. Never rejects.
 * @param abort Ends it early, with a RunAborted; as `lost` nothing is stored
 * @param isOurs False when somebody else may have the job by now: then the handler is not begun
 * @param onEnded Told when the handler has ended, and what came of it is still to be stored
 */
export type ProcessJob = (job: Job, abort: AbortController, isOurs: () => boolean, onEnded: () => void) => Promise<void>

/** The reason of the signal that a run is over: made once, as an error with its stack costs more than a short run. */
const OVER = new Error('the run is over')

/** A result larger than this is stored as a file (claim check, CONTRACT §3). */
const MAX_INLINE_RESULT_BYTES = 256 * 1024

export function jobProcessor(deps: ProcessDependencies): ProcessJob {
  const { clock, events } = deps
  return async (job, abort, isOurs, onEnded) => {
    const startedAt = clock.now()
    const over = new AbortController()
    const end = (): void => over.abort(OVER)
    abort.signal.addEventListener('abort', end, { once: true })
    const keeper = progressKeeper(job, abort, over.signal, deps)
    try {
      const held = await announceStart(job, deps)
      // That may have taken as long as the storage was away.
      if (!held || !isOurs()) abort.abort(new RunAborted('lost'))
      // From here on: a store that takes long uses up none of the handler's time.
      void limitTime(job, abort, over.signal, clock)
      const result = await perform(job, keeper, abort.signal, over.signal, deps)
      end()
      onEnded()
      const latest = { ...job, progress: keeper.progress, message: keeper.message }
      const outcome = await settle(latest, result, abort.signal, deps)
      const problem = 'problem' in result ? result.problem : null
      const durationMs = clock.now() - startedAt
      if (outcome === 'completed') deps.runTimes.record(job.type, durationMs)
      events.jobRunEnded(job, { outcome, durationMs, problem })
    } catch (error) {
      end()
      events.taskFailed(`job ${job.id}`, error)
      // Nobody else would ever take the job from this process.
      const problem = { ...problemOf(error), code: 'run_not_settled', retryable: false }
      await finish(job, { status: 'failed', problem }, deps).catch((again) => events.taskFailed(`job ${job.id}`, again))
    }
  }
}

/** Ends the run at its timeout or the job's deadline, whichever is first. */
async function limitTime(job: Job, abort: AbortController, over: AbortSignal, clock: Clock): Promise<void> {
  const untilDeadline = job.deadlineAt === null ? Number.POSITIVE_INFINITY : job.deadlineAt - clock.now()
  const limit = Math.max(0, Math.min(job.timeoutMs, untilDeadline))
  await clock.sleep(limit, over).catch(() => {})
  if (!over.aborted) abort.abort(new RunAborted(untilDeadline <= job.timeoutMs ? 'deadline' : 'timeout'))
}

function progressKeeper(job: Job, abort: AbortController, over: AbortSignal, deps: ProcessDependencies) {
  const { jobs, callbacks, clock, engine, events } = deps
  const keeper: ProgressKeeper = new ProgressKeeper(
    job,
    async () => {
      const { progress, message } = keeper
      const callback = callbackFor({ ...job, progress, message }, 'job.progress', callbacks, clock)
      try {
        const held = await jobs.progress(job, { progress, message, at: clock.now(), callback })
        engine.wake('changed', [job.id])
        if (!held) abort.abort(new RunAborted('lost'))
        else if (callback !== null) ringCallback(engine, job)
      } catch (error) {
        events.taskFailed('storing progress', error)
      }
    },
    clock,
    over,
  )
  return keeper
}

/** False: the run is no longer the job's. */
async function announceStart(job: Job, deps: ProcessDependencies): Promise<boolean> {
  const { jobs, callbacks, clock, engine } = deps
  if (job.attempt > 1 || job.lostRuns > 0) return true
  const callback = callbackFor(job, 'job.started', callbacks, clock)
  if (callback === null) return true
  const held = await persist(() => jobs.announce(job, callback), deps)
  if (held) ringCallback(engine, job)
  return held
}

/** Runs the handler until it ends or the signal is aborted; a handler that ignores the signal is left behind. */
async function perform(
  job: Job,
  keeper: ProgressKeeper,
  signal: AbortSignal,
  over: AbortSignal,
  deps: ProcessDependencies,
) {
  const handler = deps.registry.get(job.type) as RegisteredHandler
  const progress = (percent: number, message?: string) => keeper.report(percent, message)
  const aborted = new Promise<RunResult>((resolve) => {
    const end = () => resolve({ problem: abortProblem(signal, job) })
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  const run = async (): Promise<RunResult> => {
    try {
      if (signal.aborted) return { problem: abortProblem(signal, job) }
      const checked = await checkInput(handler, JSON.parse(job.payload))
      if ('issues' in checked) return { problem: inputProblem(checked.issues) }
      const context = handlerContext(job, checked.value, signal, over, progress, deps)
      if (handler.isolation !== null) return await deps.isolation.run(handler, context)
      return resultOf(await handler.definition.run(context))
    } catch (error) {
      return { problem: problemOf(error) }
    }
  }
  return Promise.race([aborted, run()])
}

/** The handler's schema became stricter since the job was accepted. */
function inputProblem(issues: { pointer: string; message: string }[]): JobProblem {
  const detail = issues.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('; ')
  return { code: 'invalid_payload', title: 'The payload no longer fits', detail, status: 422, retryable: false }
}

function abortProblem(signal: AbortSignal, job: Job): JobProblem {
  const why = signal.reason instanceof RunAborted ? signal.reason.why : 'shutdown'
  if (why === 'deadline') return deadlineExceeded
  const detail =
    why === 'timeout' ? `The run took longer than ${job.timeoutMs / 1000} s.` : `The run was ended: ${why}.`
  return { code: why, title: 'The run was ended', detail, status: 504, retryable: true }
}

/** Stores what came of the run; returns it in a word for the log. */
async function settle(job: Job, result: RunResult, signal: AbortSignal, deps: ProcessDependencies): Promise<string> {
  const why = signal.reason instanceof RunAborted ? signal.reason.why : null
  if (why === 'cancelled' || why === 'lost') return why
  const { jobs, clock } = deps
  if (why === 'shutdown') {
    await persist(() => jobs.release(job, false), deps)
    deps.engine.wake('jobs', [job.type])
    return 'released'
  }
  if ('suspend' in result) return suspend(job, result.suspend.timeoutS, deps)
  const end = 'problem' in result ? { problem: result.problem } : await storeResult(job, result.json, deps)
  if ('problem' in end) {
    const { problem } = end
    const decision = decideRun(job, problem, clock.now(), clock.random())
    if (decision.next === 'retry') {
      const kept = await persist(() => jobs.retry(job, decision.dueAt, problemJson(problem)), deps)
      return kept ? 'retry' : 'lost'
    }
    return finish(job, { status: 'failed', problem }, deps)
  }
  return finish(job, end, deps)
}

async function suspend(job: Job, timeoutS: number, { jobs, clock, ...deps }: ProcessDependencies): Promise<string> {
  const asked = clock.now() + timeoutS * 1000
  const until = job.deadlineAt === null ? asked : Math.min(asked, job.deadlineAt)
  const { progress, message } = job
  const kept = await persist(() => jobs.suspend(job, { until, progress, message }), { jobs, clock, ...deps })
  return kept ? 'suspended' : 'lost'
}

async function finish(job: Job, end: JobEnd, deps: ProcessDependencies): Promise<string> {
  const { jobs, callbacks, clock, engine } = deps
  const finished = await persist(() => jobs.finish(job, finishOf(job, end, callbacks, clock)), deps)
  if (finished === null) return 'lost'
  engine.wake('changed', [job.id])
  ringCallback(engine, finished)
  return finished.status
}

type StoredResult = Extract<JobEnd, { status: 'completed' }> | { problem: JobProblem }

async function storeResult(job: Job, json: string, deps: ProcessDependencies): Promise<StoredResult> {
  try {
    const bytes = Buffer.from(json)
    if (bytes.length <= MAX_INLINE_RESULT_BYTES) return { status: 'completed', result: json, resultFileId: null }
    const owner = { tenantId: job.tenantId, jobId: job.id, contentType: 'application/json' }
    const { file } = await persist(() => deps.files.save(owner, Readable.from([bytes])), deps)
    return { status: 'completed', result: null, resultFileId: file.id }
  } catch (error) {
    return { problem: notStored(error) }
  }
}

/** The work is done: its outcome is written as soon as the storage takes it. */
function persist<T>(write: () => Promise<T>, { clock, events }: ProcessDependencies): Promise<T> {
  return untilStored(write, clock, (error) => events.taskFailed('storing the end of a run', error))
}
