import type { Clock } from '../../../src/clock.ts'
import type { Lease } from '../../../src/engine/lease.ts'
import type { Store } from '../../../src/store/store.ts'

/** A lease that is lost when it is told to be, in the order in which a real one is: the process knows it first. */
export class GivenLease implements Lease {
  readonly #store: Store
  readonly #clock: Clock
  readonly #lostListeners: (() => void)[] = []
  #workerId: string
  #holds = false

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#workerId = clock.newId('wrk')
  }

  get workerId(): string {
    return this.#workerId
  }

  holds(): boolean {
    return this.#holds
  }

  onLost(listener: () => void): void {
    this.#lostListeners.push(listener)
  }

  async reap(): Promise<void> {}

  async enter(): Promise<void> {
    await this.#store.workers.enter(this.#workerId, this.#clock.now())
    this.#holds = true
  }

  /** From now on the process begins nothing more. */
  loseHold(): void {
    this.#holds = false
  }

  /** Others take what it held. */
  async strikeOff(): Promise<void> {
    await this.#store.workers.leave(this.#workerId)
  }

  /** The process learns that it was struck off, and goes on under another name. */
  async renew(): Promise<void> {
    for (const listener of this.#lostListeners) listener()
    this.#workerId = this.#clock.newId('wrk')
    await this.enter()
  }
}
