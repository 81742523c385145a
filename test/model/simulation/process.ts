import type { Clock } from '../../../src/clock.ts'
import { deliveryPolicy } from '../../../src/core/delivery.ts'
import { AttemptCounts } from '../../../src/delivery/attempt-counts.ts'
import { deliverer } from '../../../src/delivery/deliver.ts'
import { Dispatcher } from '../../../src/delivery/dispatcher.ts'
import { noticeMaker } from '../../../src/delivery/notices.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import { StoreUnavailableError } from '../../../src/errors.ts'
import type { BusinessEvents } from '../../../src/events.ts'
import type { TenantFiles } from '../../../src/files/tenant-files.ts'
import { Isolation } from '../../../src/handlers/isolate.ts'
import { RunTimes } from '../../../src/jobs/estimate.ts'
import { JobPool } from '../../../src/jobs/pool.ts'
import { jobProcessor } from '../../../src/jobs/process.ts'
import { Reserve } from '../../../src/jobs/reserve.ts'
import { advanceQueue, recoverJobs } from '../../../src/jobs/upkeep.ts'
import { createSealer } from '../../../src/secrets.ts'
import type { Accepted, NewJob, NewKey, Store } from '../../../src/store/store.ts'
import { GivenLease } from './lease.ts'
import { DeadError, type Faults, lineTo, type Traffic } from './line.ts'
import { moodyReceiver, plannedRegistry, type Seen } from './work.ts'

/** A process's own way to the database, and its engine there. */
export interface Home {
  store: Store
  engineOf(clock: Clock, id: string, onError: (task: string, error: unknown) => void): Engine
}

/** Where processes live. */
export interface Surroundings {
  clock: Clock
  faults: Faults
  traffic: Traffic
  seen: Seen
  /** Of the receiver. */
  mood: () => number
  /** Failures of tasks that no fault explains. */
  unexplained: unknown[]
}

/** A process of the service, without its HTTP side. */
export interface SimulatedProcess {
  /** Without faults. */
  store: Store
  lease: GivenLease
  /** As its API does. */
  accept(job: NewJob, key: NewKey): Promise<Accepted>
  /** It ends at once: what it waits for never comes, what it asked for may have been done. */
  die(): void
  /** As on SIGTERM. */
  stop(): Promise<void>
  /** Closes what a process that has ended leaves open in ours. */
  close(): Promise<void>
}

const RUNS_AT_ONCE = 4
const ATTEMPT_TIMEOUT_MS = 1000
const GRACE_MS = 2000
const SWEEP_MS = 1000
const callbacks = { publicUrl: 'http://posthorn.example', deliveryTtlMs: 1e9, resultTtlMs: 1e9 }

export async function startProcess({ store, engineOf }: Home, where: Surroundings): Promise<SimulatedProcess> {
  let alive = true
  const { faults, traffic, seen, mood, unexplained } = where
  const clock = mortal(where.clock, () => alive)
  const line = lineTo(store, where.clock, faults, traffic)
  const lease = new GivenLease(store, clock)
  await lease.enter()
  const events = silentEvents((error) => {
    if (!(error instanceof StoreUnavailableError || error instanceof DeadError)) unexplained.push(error)
  })
  const engine = engineOf(clock, lease.workerId, events.taskFailed)
  const { jobs, deliveries } = line.store
  const base = {
    jobs,
    deliveries,
    engine,
    clock,
    events,
    lease,
    reserve: new Reserve(),
    callbacks,
    registry: plannedRegistry(clock, seen, lease),
  }
  const { pool, dispatcher } = workers(base, moodyReceiver(clock, seen, lease, mood))
  pool.start()
  dispatcher.start()
  engine.every(SWEEP_MS, 'advancing the queue', () => advanceQueue(base))
  engine.every(SWEEP_MS, 'taking back lost work', async () => {
    await recoverJobs(base)
    await deliveries.releaseLost(clock.now(), 100)
  })
  await engine.start()
  return {
    store,
    lease,
    accept: (job, key) => pool.handOver(job, (workerId) => jobs.accept(job, key, workerId)),
    die() {
      alive = false
      line.cut()
      lease.loseHold()
    },
    async stop() {
      await Promise.all([pool.stop(GRACE_MS), dispatcher.stop()])
      line.cut()
      await lease.strikeOff()
    },
    close: async () => await engine[Symbol.asyncDispose](),
  }
}

type Base = Omit<ConstructorParameters<typeof JobPool>[0], 'process' | 'concurrency'> &
  Pick<Store, 'deliveries'> & { callbacks: typeof callbacks }

function workers(base: Base, egress: ReturnType<typeof moodyReceiver>): { pool: JobPool; dispatcher: Dispatcher } {
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const sealer = createSealer(new Map([['test', Buffer.alloc(32, 7)]]))
  // No handler here uses files.
  const context = { files: {} as TenantFiles, egress, publicUrl: callbacks.publicUrl, log, sealer }
  const runs = { isolation: new Isolation(), runTimes: new RunTimes() }
  const attemptTimeoutMs = ATTEMPT_TIMEOUT_MS
  const policy = deliveryPolicy(Array.from({ length: 100 }, () => 1000))
  const signingKeys = async () => [Buffer.alloc(32)]
  const sending = { egress, signingKeys, customHeaders: () => ({}), policy, attemptTimeoutMs }
  const telling = { notices: noticeMaker(base.clock, callbacks.deliveryTtlMs), attemptCounts: new AttemptCounts() }
  const deliver = deliverer({ ...base, ...sending, ...telling })
  return {
    pool: new JobPool({ ...base, process: jobProcessor({ ...base, ...context, ...runs }), concurrency: RUNS_AT_ONCE }),
    dispatcher: new Dispatcher({ ...base, deliver, concurrency: 8, attemptTimeoutMs }),
  }
}

/** The clock of a process: nobody wakes in a dead one, unless to clean up. */
function mortal(clock: Clock, alive: () => boolean): Clock {
  return {
    ...clock,
    async sleep(ms, signal) {
      await clock.sleep(ms, signal)
      if (!alive()) await clock.sleep(Number.POSITIVE_INFINITY, signal)
    },
  }
}

function silentEvents(onFailure: (error: unknown) => void): BusinessEvents {
  const nothing = (): void => {}
  return {
    jobAccepted: nothing,
    jobRunEnded: nothing,
    jobCancelled: nothing,
    attemptEnded: nothing,
    deliveriesGivenUp: nothing,
    attemptSuperseded: nothing,
    deliveryReplayed: nothing,
    bulkReplayChanged: nothing,
    bulkReplayDone: nothing,
    lostWorkFound: nothing,
    secretsResealed: nothing,
    taskFailed: (_, error) => onFailure(error),
  }
}
