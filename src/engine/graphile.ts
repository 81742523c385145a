import { EventEmitter } from 'node:events'
import {
  type CronItem,
  Logger,
  parseCronItems,
  type Runner,
  run,
  type TaskList,
  type WorkerEvents,
} from 'graphile-worker'
import type { Clock } from '../clock.ts'
import type { Database } from '../store/postgres/database.ts'
import { asStoreError } from '../store/postgres/failures.ts'
import type { Session } from '../store/postgres/session.ts'
import type { Engine } from './engine.ts'
import { postgresBells, wakeUpTask } from './postgres-bells.ts'
import { type ReportFailure, repeater } from './repeat.ts'

export interface GraphileOptions {
  db: Database
  session: Session
  clock: Clock
  /** Names this process among those of the cluster. */
  id: string
  /** Job types this process performs: it is woken for these alone. */
  types: readonly string[]
  onError: ReportFailure
}

/** What has this long between its runs is a matter of the cluster's cron. */
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const CONCURRENCY = 2
const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 5000
const STOP_MS = 3000
const MAX_FAILURES = 4

/**
 * The engine of many processes on one PostgreSQL. graphile-worker hands each wake-up to one process that performs the
 * type, and its cron runs what the cluster does once. It holds no job of ours: what is due is in our tables, so its
 * locks, which last 4 hours after a kill, and its retries are of no consequence.
 */
export function graphileEngine(options: GraphileOptions): Engine {
  const { db, session, clock, id, types, onError } = options
  const bells = postgresBells(db, session, clock, id, onError)
  const repeated = repeater(clock, onError)
  const tasks: TaskList = Object.fromEntries(
    types.map((type) => [wakeUpTask(type), async () => bells.ring('jobs', [])]),
  )
  const crons: CronItem[] = []
  const stop = new AbortController()
  let running: Promise<void> = Promise.resolve()

  /** The runner may end by itself when its connection does; it is started again as long as we live. */
  async function keepRunning(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !stop.signal.aborted; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      try {
        const events: WorkerEvents = new EventEmitter()
        const runner = await startRunner(db, tasks, crons, events)
        await Promise.race([runner.promise, failing(events), aborted(stop.signal)])
        await stopRunner(runner, clock)
        pauseMs = FIRST_PAUSE_MS
      } catch (error) {
        if (!stop.signal.aborted) onError('running graphile-worker', asStoreError(error))
      }
      await clock.sleep(pauseMs, stop.signal).catch(() => {})
    }
  }

  return {
    wake: bells.ring,
    onWake: bells.on,
    every(ms, name, task) {
      if (ms < MINUTE_MS) return repeated.add(ms, name, task)
      tasks[name] = task
      crons.push({
        task: name,
        identifier: name,
        match: cronPattern(ms),
        options: { backfillPeriod: 0, maxAttempts: 3 },
      })
    },
    async start() {
      await bells.listen()
      repeated.start()
      if (Object.keys(tasks).length > 0) running = keepRunning()
    },
    lateTasks: repeated.late,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await repeated[Symbol.asyncDispose]()
      await running
      await bells[Symbol.asyncDispose]()
    },
  }
}

function startRunner(db: Database, taskList: TaskList, crons: CronItem[], events: WorkerEvents): Promise<Runner> {
  return run({
    pgPool: db.pool,
    events,
    taskList,
    parsedCronItems: parseCronItems(crons),
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
    preset: { worker: { concurrentJobs: CONCURRENCY, completeJobBatchDelay: 0 } },
  })
}

/**
 * Resolves when the runner cannot get on: when its connection ends while it looks up its tasks, it keeps that failure
 * (0.18.0, taskIdentifiers.js), and never takes a job again.
 */
function failing(events: WorkerEvents): Promise<void> {
  let failures = 0
  events.on('worker:getJob:empty', () => {
    failures = 0
  })
  return new Promise((resolve) => {
    events.on('worker:getJob:error', () => {
      failures += 1
      if (failures === MAX_FAILURES) resolve()
    })
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** What it still holds is wake-ups alone, so a database that does not answer is not waited for. */
async function stopRunner(runner: Runner, clock: Clock): Promise<void> {
  await Promise.race([runner.stop().catch(() => {}), clock.sleep(STOP_MS)])
}

function cronPattern(ms: number): string {
  return ms < HOUR_MS ? `*/${Math.round(ms / MINUTE_MS)} * * * *` : `0 */${Math.round(ms / HOUR_MS)} * * *`
}
