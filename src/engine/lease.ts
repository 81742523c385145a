import type { Clock, SystemClock } from '../clock.ts'
import type { WorkerSeen, WorkerStore } from '../store/store.ts'

/** By what this process holds its claims. */
export interface Lease {
  /** The worker the claims are made for. Another one after the lease was lost. */
  readonly workerId: string
  /** False: others may have taken over what was claimed, so nothing may be begun. */
  holds(): boolean
  /** Called when the claims are gone: what runs under them is in vain. */
  onLost(listener: () => void): void
  /** Strikes workers that died off the list; what they held is nobody's then. To be called about once a second. */
  reap(): Promise<void>
}

/** The lease of the only process of a database: it ends with the process. Other workers are of processes that died. */
export async function soleLease(workers: WorkerStore, clock: Clock): Promise<Lease> {
  const workerId = clock.newId('wrk')
  for (const dead of await workers.seen()) await workers.strikeOff(dead)
  await workers.enter(workerId, clock.now())
  return { workerId, holds: () => true, onLost: () => {}, reap: async () => {} }
}

/** How often a process gives a sign of life. */
export const BEAT_MS = 2000
/** Without a sign of life for this long, a process is taken for dead, and takes itself for dead. */
const LEASE_MS = 20_000
/**
 * … and for this long, when its session with the database has ended too, as that of a killed process does: the first
 * for who has watched for a lease's time without interruption, the second after an outage, when others may be about to
 * connect again.
 */
const SILENT_MS = 3500
const SILENT_AFTER_OUTAGE_MS = 8000
/** Without its session a process takes itself for dead before the others do. */
const UNCONNECTED_LEASE_MS = 3000
/** Who has not looked for this long was asleep itself, and knows nothing of the others. */
const ASLEEP_MS = 5000
/** Who has not given a sign itself for this long does not hold it against others that they have not. */
const MUTE_MS = 5000

/**
 * The lease of one process among many, kept by signs of life. How long somebody has been silent is measured by who
 * looks, from look to look, so that no clock but one's own is asked.
 */
export class SharedLease implements Lease, AsyncDisposable {
  readonly #workers: WorkerStore
  readonly #clock: Clock
  readonly #follow: SystemClock['adjust']
  readonly #connected: () => boolean
  readonly #lostListeners: (() => void)[] = []
  readonly #watched = new Map<string, { beats: number; since: number }>()
  #watchingSince: number | null = null
  #lookedAt = 0
  #aliveAt = Number.NEGATIVE_INFINITY
  #workerId: string

  /**
   * @param connected Whether the process has its session with the database
   * @param follow Moves the clock towards that of the cluster
   */
  constructor(workers: WorkerStore, clock: Clock, connected: () => boolean, follow: SystemClock['adjust']) {
    this.#workers = workers
    this.#clock = clock
    this.#connected = connected
    this.#follow = follow
    this.#workerId = clock.newId('wrk')
  }

  get workerId(): string {
    return this.#workerId
  }

  holds(): boolean {
    return performance.now() - this.#aliveAt < (this.#connected() ? LEASE_MS : UNCONNECTED_LEASE_MS)
  }

  onLost(listener: () => void): void {
    this.#lostListeners.push(listener)
  }

  /** Takes the cluster's time and a place on the list. */
  async enter(): Promise<void> {
    const beganAt = performance.now()
    const { now, othersAheadMs } = await this.#workers.enter(this.#workerId, this.#clock.now())
    this.#follow(now + (othersAheadMs ?? 0) - this.#clock.now(), true)
    this.#aliveAt = beganAt
  }

  /** A sign of life; to be given every BEAT_MS. */
  async beat(): Promise<void> {
    // Counted from before the answer: the others may have seen it that early.
    const beganAt = performance.now()
    const time = await this.#workers.beat(this.#workerId, this.#clock.now())
    if (time !== null) {
      this.#follow(time.now - this.#clock.now(), false)
      this.#aliveAt = beganAt
      return
    }
    this.#aliveAt = Number.NEGATIVE_INFINITY
    for (const listener of this.#lostListeners) listener()
    this.#workerId = this.#clock.newId('wrk')
    await this.enter()
  }

  async reap(): Promise<void> {
    const seen = await this.#workers.seen().catch((error: unknown) => {
      // While the database was away nobody could give a sign.
      this.#watchingSince = null
      throw error
    })
    const now = performance.now()
    // Where one's own signs are not taken, as by a database that is read-only, those of the others are not either.
    const mute = now - this.#aliveAt > MUTE_MS
    if (mute || this.#watchingSince === null || now - this.#lookedAt > ASLEEP_MS) {
      this.#watched.clear()
      this.#watchingSince = now
    }
    this.#lookedAt = now
    const dead = seen.filter((worker) => worker.id !== this.#workerId && this.#isDead(worker, now))
    await Promise.all(dead.map((worker) => this.#workers.strikeOff(worker)))
  }

  #isDead({ id, beats, connected }: WorkerSeen, now: number): boolean {
    const last = this.#watched.get(id)
    if (last === undefined || last.beats !== beats) {
      this.#watched.set(id, { beats, since: now })
      return false
    }
    const silentMs = now - last.since
    const settled = now - (this.#watchingSince ?? now) > LEASE_MS
    return silentMs > (connected ? LEASE_MS : settled ? SILENT_MS : SILENT_AFTER_OUTAGE_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // When that is not possible, the others find out.
    await this.#workers.leave(this.#workerId).catch(() => {})
  }
}
