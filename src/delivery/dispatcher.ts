import type { Clock } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import type { Lease } from '../engine/lease.ts'
import { StoreUnavailableError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { ClaimedDelivery, DeliveryStore, Lane } from '../store/store.ts'
import type { Deliver } from './deliver.ts'

export interface DispatcherDependencies {
  deliveries: DeliveryStore
  engine: Engine
  deliver: Deliver
  clock: Clock
  events: BusinessEvents
  lease: Lease
  /** Attempts in flight, over all lanes. */
  concurrency: number
  attemptTimeoutMs: number
}

/** What this process remembers of a lane while it has something in flight there. */
interface LaneRun {
  inFlight: number
  /** Successes in a row since the lane last grew. */
  successes: number
  /** The last claim left due deliveries behind. */
  more: boolean
  /** As the last claim found it. */
  lane: Lane | null
}

const SWEEP_MS = 500
/**
 * A claim outlasts the attempt by this much, so that its end can be recorded when the database was away meanwhile.
 * What a process that died has claimed is taken back much sooner.
 */
const LEASE_MARGIN_MS = 60_000
/** Bounds one claim, so that a lane with a long backlog shares the loop with the others. */
const MAX_CLAIM = 64

/** Drains the lanes: claims what is due on each, in turn, as far as there is room. */
export class Dispatcher {
  readonly #deps: DispatcherDependencies
  /** Lanes to look at, in the order they were named. */
  readonly #queue = new Set<string>()
  readonly #lanes = new Map<string, LaneRun>()
  readonly #attempts = new Set<Promise<void>>()
  /** Places taken, by attempts in flight and by claims under way. */
  #taken = 0
  #claims = 0
  readonly #inFlight = new Set<string>()
  /** The answer to a claim was lost: the store may have given us deliveries we do not know of. */
  #inDoubt = false
  #stopping = false

  constructor(deps: DispatcherDependencies) {
    this.#deps = deps
  }

  start(): void {
    const { engine, deliveries, clock } = this.#deps
    const sweep = async () => {
      if (this.#inDoubt) await this.#settleDoubt()
      this.#wake(await deliveries.dueLanes(clock.now()))
    }
    engine.onWake('lanes', (ids) => this.#wake(ids))
    engine.every(SWEEP_MS, 'looking for due deliveries', sweep)
  }

  /** Starts no more attempts and waits for those in flight: each ends by its deadline. */
  async stop(): Promise<void> {
    this.#stopping = true
    while (this.#attempts.size > 0) await Promise.all(this.#attempts)
  }

  #wake(ids: readonly string[]): void {
    for (const id of ids) this.#queue.add(id)
    this.#drain()
  }

  #drain(): void {
    for (const laneId of this.#queue) {
      const room = this.#deps.concurrency - this.#taken
      if (room <= 0 || this.#stopping || this.#inDoubt || !this.#deps.lease.holds()) return
      this.#queue.delete(laneId)
      this.#track(this.#claim(laneId, Math.min(room, MAX_CLAIM)))
    }
  }

  async #claim(laneId: string, limit: number): Promise<void> {
    const { deliveries, clock, lease, attemptTimeoutMs, events } = this.#deps
    const { workerId } = lease
    this.#taken += limit
    this.#claims += 1
    let used = 0
    try {
      const leaseMs = attemptTimeoutMs + LEASE_MARGIN_MS
      const { lane, ...claim } = await deliveries.claim({ laneId, workerId, now: clock.now(), limit, leaseMs })
      used = claim.deliveries.length
      const run = this.#lanes.get(laneId) ?? { inFlight: 0, successes: 0, more: false, lane }
      Object.assign(run, { lane, more: claim.more, inFlight: run.inFlight + used })
      if (run.inFlight > 0) this.#lanes.set(laneId, run)
      for (const delivery of claim.deliveries) this.#track(this.#attempt(delivery, run))
      if (claim.more && used === limit) this.#queue.add(laneId)
    } catch (error) {
      // The next sweep finds the lane again.
      this.#inDoubt = true
      events.taskFailed('claiming deliveries', error)
    } finally {
      this.#taken -= limit - used
      this.#claims -= 1
      this.#drain()
    }
  }

  async #attempt(delivery: ClaimedDelivery, run: LaneRun): Promise<void> {
    this.#inFlight.add(delivery.id)
    try {
      // Claimed for us, but the process was stopped since for so long that somebody else may be sending it now.
      if (!this.#holds(delivery)) return
      const { success } = await this.#deps.deliver(delivery, () => mayGrow(run))
      if (!success) run.successes = 0
    } catch (error) {
      this.#deps.events.taskFailed('sending deliveries', error)
      // It is put back, as something that is claimed and not on its way.
      if (error instanceof StoreUnavailableError) this.#inDoubt = true
    } finally {
      this.#inFlight.delete(delivery.id)
      this.#taken -= 1
      run.inFlight -= 1
      if (run.more) this.#queue.add(delivery.endpointId)
      if (run.inFlight === 0) this.#lanes.delete(delivery.endpointId)
      this.#drain()
    }
  }

  #holds({ workerId }: ClaimedDelivery): boolean {
    const { lease } = this.#deps
    const holds = lease.holds() && lease.workerId === workerId
    // Under our own lease still, it is put back as something we do not know of.
    if (!holds) this.#inDoubt = true
    return holds
  }

  async #settleDoubt(): Promise<void> {
    if (this.#claims > 0) return
    const { deliveries, lease } = this.#deps
    await deliveries.releaseUnknown(lease.workerId, [...this.#inFlight])
    this.#inDoubt = false
  }

  #track(work: Promise<void>): void {
    this.#attempts.add(work)
    void work.finally(() => this.#attempts.delete(work))
  }
}

/** A lane has earned more room when as many attempts as it may have at once have succeeded in a row. */
function mayGrow(run: LaneRun): boolean {
  run.successes += 1
  if (run.lane === null || run.lane.concurrency >= run.lane.maxConcurrency) return false
  if (run.successes < run.lane.concurrency) return false
  run.successes = 0
  return true
}
