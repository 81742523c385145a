import type { Clock } from '../clock.ts'
import type { Job } from '../core/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { Lease } from '../engine/lease.ts'
import type { BusinessEvents } from '../events.ts'
import type { Registry } from '../handlers/registry.ts'
import { Doubt } from '../store/doubt.ts'
import type { Accepted, JobClaimRequest, JobStore } from '../store/store.ts'
import { type ProcessJob, RunAborted } from './process.ts'
import type { Reserve } from './reserve.ts'

export interface PoolDependencies {
  jobs: JobStore
  engine: Engine
  registry: Registry
  process: ProcessJob
  clock: Clock
  events: BusinessEvents
  lease: Lease
  reserve: Reserve
  /** Handlers running at once. */
  concurrency: number
}

/** A job may have two for a moment: the store's answer to the end of one comes late, and the next has begun. */
interface Run {
  id: string
  type: string
  tenantId: string
  abort: AbortController
  done: Promise<void>
}

const SWEEP_MS = 1000
/** A server may still commit what was given up when the connection broke, after we have put back what it had. */
const DOUBT_MS = 60_000

/**
 * Stores a job for the worker of this process, when that has a place for it and nobody waits for one: `store` is given
 * the worker, and the job begins once it is stored. Else it is given null, and the job goes through the queue.
 */
export type HandOver = (job: Handed, store: (workerId: string | null) => Promise<Accepted>) => Promise<Accepted>
type Handed = Pick<Job, 'id' | 'type' | 'tenantId'>

/** A run: it frees its place when the handler has ended, and resolves when that is stored. */
type Work = (abort: AbortController, freePlace: () => void) => Promise<void>

/** The worker: claims as many ready jobs as it has places for, and runs them. */
export class JobPool {
  readonly #deps: PoolDependencies
  readonly #runs = new Set<Run>()
  /** Those that take a place: what came of the others is only to be stored yet. */
  readonly #running = new Set<Run>()
  #lastTenant: string | null = null
  #filling: Promise<void> | null = null
  #claiming: Promise<void> | null = null
  #fillAgain = false
  /** There may be more than was claimed. */
  #hungry = false
  /** The answer to a claim was lost: the store may have given us jobs we do not know of. */
  readonly #doubt = new Doubt()
  #started = false
  #stopping = false

  constructor(deps: PoolDependencies) {
    this.#deps = deps
  }

  start(): void {
    const { engine, lease } = this.#deps
    this.#started = true
    engine.onWake('jobs', () => void this.#fill())
    engine.onWake('cancelled', (ids) => {
      const cancelled = new Set(ids)
      for (const run of this.#runs) if (cancelled.has(run.id)) run.abort.abort(new RunAborted('cancelled'))
      if (ids.length === 0) void this.#endRunsNotHeld()
    })
    lease.onLost(() => {
      for (const run of this.#runs) run.abort.abort(new RunAborted('lost'))
    })
    engine.every(SWEEP_MS, 'claiming jobs', () => this.#fill())
    engine.every(DOUBT_MS, 'looking for jobs of ours that we do not know of', () => {
      this.#doubt.raise()
      return this.#fill()
    })
  }

  /** Takes no more jobs; gives those that run `graceMs`, then puts them back into the queue. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    await this.#filling
    const allDone = Promise.all([...this.#runs].map((run) => run.done))
    const enough = new AbortController()
    await Promise.race([allDone, this.#deps.clock.sleep(graceMs, enough.signal).catch(() => {})])
    enough.abort()
    for (const run of this.#runs) run.abort.abort(new RunAborted('shutdown'))
    await allDone
  }

  readonly handOver: HandOver = (job, store) => {
    const { workerId } = this.#deps.lease
    if (!this.#hasPlaceFor(job.type)) return store(null)
    const claiming = this.#claiming
    const stored = store(workerId)
    this.#begin(job, async (abort, freePlace) => {
      const accepted = await stored
      if (accepted.kind !== 'created' || accepted.job.workerId !== workerId) return
      // Whoever waits for the answer gets it before the handler gets the thread.
      await new Promise(setImmediate)
      // A claim that was under way then knew nothing of this one, and may bring as many as there were places.
      await claiming?.catch(() => {})
      if (this.#isRoom(job.type, 0)) return this.#process(accepted.job, abort, freePlace)
      freePlace()
      await this.#putBack(accepted.job)
    })
    return stored
  }

  /** Only while nobody waits: else the queue says whose turn it is. */
  #hasPlaceFor(type: string): boolean {
    if (!this.#started || this.#stopping || this.#doubt.open || this.#hungry) return false
    return this.#deps.lease.holds() && this.#isRoom(type, 1)
  }

  /** Whether so many more fit in beside those that take a place, and leave those that are kept. */
  #isRoom(type: string, more: number): boolean {
    const { concurrency, registry, reserve } = this.#deps
    const ofType = [...this.#running].filter((run) => run.type === type).length
    const fits = (taken: number, places: number) => taken + more <= places - reserve.of(places)
    return fits(this.#running.size, concurrency) && fits(ofType, registry.get(type)?.concurrency ?? 0)
  }

  async #putBack(job: Job): Promise<void> {
    const { jobs, engine } = this.#deps
    await jobs.release(job, false)
    engine.wake('jobs', [job.type])
  }

  /** One claim at a time; who calls meanwhile gets another round. */
  #fill(): Promise<void> {
    this.#fillAgain = true
    this.#filling ??= this.#fillRounds().finally(() => {
      this.#filling = null
    })
    return this.#filling
  }

  async #fillRounds(): Promise<void> {
    try {
      while (this.#fillAgain && !this.#stopping) {
        this.#fillAgain = false
        if (this.#doubt.open) await this.#settleDoubt()
        this.#claiming = this.#claim()
        await this.#claiming
      }
    } catch (error) {
      // The next sweep tries again.
      this.#doubt.raise()
      this.#deps.events.taskFailed('claiming jobs', error)
    }
  }

  async #claim(): Promise<void> {
    const { jobs, engine, lease, concurrency } = this.#deps
    const request = this.#request()
    this.#hungry ||= lacksRoom(request, [])
    if (request.limit <= 0 || !lease.holds()) return
    const claimed = await jobs.claim(request)
    this.#hungry = lacksRoom(request, claimed)
    if (claimed.length > 0) {
      engine.wake(
        'changed',
        claimed.map(({ id }) => id),
      )
    }
    for (const job of claimed) this.#run(job)
    this.#lastTenant = claimed.at(-1)?.tenantId ?? this.#lastTenant
    // Runs that ended meanwhile did not know yet that somebody waits for their places.
    const freed = this.#running.size < concurrency - request.limit + claimed.length
    if (this.#hungry && freed) this.#fillAgain = true
  }

  #request(): JobClaimRequest {
    const { registry, clock, lease, concurrency, reserve } = this.#deps
    const handlers = [...registry.values()]
    const types = new Map(handlers.map((handler) => [handler.type, handler.concurrency]))
    const running = [...this.#running]
    for (const { type } of running) types.set(type, (types.get(type) ?? 0) - 1)
    return {
      workerId: lease.workerId,
      now: clock.now(),
      limit: concurrency - running.length,
      types,
      afterTenant: this.#lastTenant,
      reserved: reserve.of(concurrency),
      reservedByType: new Map(handlers.map(({ type, concurrency }) => [type, reserve.of(concurrency)])),
      busyTenants: new Set(running.map(({ tenantId }) => tenantId)),
    }
  }

  async #settleDoubt(): Promise<void> {
    const { jobs, lease } = this.#deps
    const known = [...this.#runs].map(({ id }) => id)
    await this.#doubt.settle(() => jobs.releaseUnknown(lease.workerId, known))
  }

  /** Word of a cancellation may have been missed. */
  async #endRunsNotHeld(): Promise<void> {
    const { jobs, lease, events } = this.#deps
    const running = [...this.#runs]
    try {
      const held = new Set(await jobs.held(lease.workerId))
      for (const run of running) if (!held.has(run.id)) run.abort.abort(new RunAborted('lost'))
    } catch (error) {
      events.taskFailed('looking for cancelled jobs', error)
    }
  }

  #run(job: Job): void {
    // The process was stopped for so long that somebody else may have it now.
    if (!this.#isOurs(job)) this.#doubt.raise()
    else this.#begin(job, (abort, freePlace) => this.#process(job, abort, freePlace))
  }

  #process(job: Job, abort: AbortController, freePlace: () => void): Promise<void> {
    return this.#deps.process(job, abort, () => this.#isOurs(job), freePlace)
  }

  #isOurs({ workerId }: Job): boolean {
    const { lease } = this.#deps
    return lease.holds() && lease.workerId === workerId
  }

  #begin({ id, type, tenantId }: Handed, work: Work): void {
    const abort = new AbortController()
    const freePlace = (): void => {
      if (this.#running.delete(run) && this.#hungry && !this.#stopping) void this.#fill()
    }
    const end = (mayBeOurs: boolean): void => {
      this.#runs.delete(run)
      if (mayBeOurs) this.#doubt.raise()
      freePlace()
    }
    // Nothing was stored of a run that was given up, or the store's answer was lost: should it be ours still, it is put back.
    const wasLost = () => abort.signal.reason instanceof RunAborted && abort.signal.reason.why === 'lost'
    const done = work(abort, freePlace).then(
      () => end(wasLost()),
      () => end(true),
    )
    const run: Run = { id, type, tenantId, abort, done }
    this.#runs.add(run)
    this.#running.add(run)
  }
}

/**
 * Whether there may be more than these, for which there was no room: then the next free place has to look. Where there
 * is room left, all that was ready has been claimed.
 */
function lacksRoom({ limit, reserved, types, reservedByType }: JobClaimRequest, claimed: readonly Job[]): boolean {
  const ofType = Map.groupBy(claimed, ({ type }) => type)
  const left = ([type, room]: [string, number]) => room - (ofType.get(type)?.length ?? 0)
  return (
    limit - claimed.length <= reserved || [...types].some((each) => left(each) <= (reservedByType.get(each[0]) ?? 0))
  )
}
