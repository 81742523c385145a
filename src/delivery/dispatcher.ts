import type { Clock } from '../clock.ts'
import { afterAttempt, changesLane, type LaneResult } from '../core/lane.ts'
import type { Engine } from '../engine/engine.ts'
import type { Lease } from '../engine/lease.ts'
import { StoreUnavailableError } from '../errors.ts'
import type { BusinessEvents } from '../events.ts'
import type { Reserve } from '../jobs/reserve.ts'
import { Doubt } from '../store/doubt.ts'
import type { ClaimedDelivery, DeliveryStore, Endpoint } from '../store/store.ts'
import type { Deliver } from './deliver.ts'

export interface DispatcherDependencies {
  deliveries: DeliveryStore
  engine: Engine
  deliver: Deliver
  clock: Clock
  events: BusinessEvents
  lease: Lease
  reserve: Reserve
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
  /** As the last claim found it, and what attempts have changed since. */
  endpoint: Endpoint
}

const SWEEP_MS = 500
/**
 * A claim outlasts the attempt by this much, so that its end can be recorded when the database was away meanwhile.
 * What a process that died has claimed is taken back much sooner.
 */
const LEASE_MARGIN_MS = 60_000
/** How many of the places that are kept for tenants with nothing in flight one lane gets at once. */
const RESERVED_CLAIM = 4
/**
 * A lane may have in flight as many as this share of the places that are free beside it: so however many receivers hang,
 * and however much their lanes have grown before, they leave room for others (dynamic thresholds, as in switches:
 * Choudhury and Hahne, 1998). One lane alone gets a third of the places.
 */
const LANE_SHARE = 1 / 2
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
  /** One may be there twice for a moment: the store's answer to an attempt comes late, and the next has begun. */
  readonly #inFlight = new Set<ClaimedDelivery>()
  /** The answer to a claim was lost: the store may have given us deliveries we do not know of. */
  readonly #doubt = new Doubt()
  readonly #stop = new AbortController()

  constructor(deps: DispatcherDependencies) {
    this.#deps = deps
  }

  start(): void {
    const { engine, deliveries, clock } = this.#deps
    const sweep = async () => {
      if (this.#doubt.open) await this.#settleDoubt()
      this.#wake(await deliveries.dueLanes(clock.now()))
    }
    engine.onWake('lanes', (ids) => this.#wake(ids))
    engine.every(SWEEP_MS, 'looking for due deliveries', sweep)
  }

  /** Starts no more attempts and waits for those in flight: each ends by its deadline. */
  async stop(): Promise<void> {
    this.#stop.abort()
    while (this.#attempts.size > 0) await Promise.all(this.#attempts)
  }

  #wake(ids: readonly string[]): void {
    for (const id of ids) this.#queue.add(id)
    this.#drain()
  }

  #drain(): void {
    const { concurrency, lease, reserve } = this.#deps
    const reserved = reserve.of(concurrency)
    const crowded = concurrency - this.#inFlight.size <= reserved
    for (const laneId of this.#queue) {
      const room = concurrency - this.#taken
      // What is short only because of claims under way comes back in a moment.
      if (room <= (crowded ? 0 : reserved)) return
      if (this.#stop.signal.aborted || this.#doubt.open || !lease.holds()) return
      this.#queue.delete(laneId)
      const run = this.#lanes.get(laneId)
      const share = Math.max(1, Math.floor(room * LANE_SHARE)) - (run?.inFlight ?? 0)
      // It comes back when one of its own has ended.
      if (run !== undefined && share <= 0) run.more = true
      else this.#track(this.#claim(laneId, Math.min(room, share, crowded ? RESERVED_CLAIM : MAX_CLAIM), crowded))
    }
  }

  async #claim(laneId: string, limit: number, crowded: boolean): Promise<void> {
    const { deliveries, clock, lease, attemptTimeoutMs, events } = this.#deps
    const { workerId } = lease
    this.#taken += limit
    this.#claims += 1
    let used = 0
    try {
      const leaseMs = attemptTimeoutMs + LEASE_MARGIN_MS
      const exceptTenants = new Set(crowded ? [...this.#inFlight].map(({ tenantId }) => tenantId) : [])
      const request = { laneId, workerId, now: clock.now(), limit, leaseMs, exceptTenants }
      const { lane, ...claim } = await deliveries.claim(request)
      used = claim.deliveries.length
      if (claim.roomAt !== null) this.#comeBack(laneId, claim.roomAt)
      if (lane === null) return
      const run = this.#lanes.get(laneId) ?? { inFlight: 0, successes: 0, more: false, endpoint: lane }
      Object.assign(run, { endpoint: lane, more: claim.more, inFlight: run.inFlight + used })
      if (run.inFlight > 0) this.#lanes.set(laneId, run)
      for (const delivery of claim.deliveries) this.#track(this.#attempt(delivery, run))
      if (claim.more && used === limit) this.#queue.add(laneId)
    } catch (error) {
      // The next sweep finds the lane again.
      this.#doubt.raise()
      events.taskFailed('claiming deliveries', error)
    } finally {
      this.#taken -= limit - used
      this.#claims -= 1
      this.#drain()
    }
  }

  async #attempt(delivery: ClaimedDelivery, run: LaneRun): Promise<void> {
    this.#inFlight.add(delivery)
    try {
      // Claimed for us, but the process was stopped since for so long that somebody else may be sending it now.
      if (!this.#holds(delivery)) return
      const { endpoint } = run
      const { result, endedAt } = await this.#deps.deliver({ delivery, endpoint }, (result, now) =>
        ofLane(run, result, now),
      )
      run.endpoint = { ...run.endpoint, ...afterAttempt(run.endpoint, result, false, endedAt).lane }
    } catch (error) {
      this.#deps.events.taskFailed('sending deliveries', error)
      // It is put back, as something that is claimed and not on its way.
      if (error instanceof StoreUnavailableError) this.#doubt.raise()
    } finally {
      this.#inFlight.delete(delivery)
      this.#taken -= 1
      run.inFlight -= 1
      if (run.more) this.#queue.add(delivery.endpointId)
      if (run.inFlight === 0) this.#lanes.delete(delivery.endpointId)
      this.#drain()
    }
  }

  /** The sweep would find the lane again, but a rate is to be kept to the millisecond. */
  #comeBack(laneId: string, at: number): void {
    const { clock } = this.#deps
    const wait = clock.sleep(Math.max(0, at - clock.now()), this.#stop.signal)
    void wait.then(() => this.#wake([laneId])).catch(() => {})
  }

  #holds({ workerId }: ClaimedDelivery): boolean {
    const { lease } = this.#deps
    const holds = lease.holds() && lease.workerId === workerId
    // Under our own lease still, it is put back as something we do not know of.
    if (!holds) this.#doubt.raise()
    return holds
  }

  async #settleDoubt(): Promise<void> {
    if (this.#claims > 0) return
    const { deliveries, lease } = this.#deps
    const known = [...this.#inFlight].map(({ id }) => id)
    await this.#doubt.settle(() => deliveries.releaseUnknown(lease.workerId, known))
  }

  #track(work: Promise<void>): void {
    this.#attempts.add(work)
    void work.finally(() => this.#attempts.delete(work))
  }
}

/** What the lane learns of an attempt; null when it stays as it is. */
function ofLane(run: LaneRun, result: LaneResult, now: number): LaneResult | null {
  run.successes = result.success ? run.successes + 1 : 0
  const grow = mayGrow(run)
  if (grow) run.successes = 0
  const known = { ...result, grow }
  return changesLane(run.endpoint, known, now) ? known : null
}

/** A lane has earned more room when as many attempts as it may have at once have succeeded in a row. */
function mayGrow({ successes, endpoint: { concurrency, maxConcurrency } }: LaneRun): boolean {
  return concurrency < maxConcurrency && successes >= concurrency
}
