import type { Clock } from '../clock.ts'

/** How often a job's progress is stored, at most (CONTRACT §3). */
const INTERVAL_MS = 1000

/**
 * Keeps a handler's latest progress and stores it at most once a second. The last one is not lost:
 * it is written with the end of the run.
 */
export class ProgressKeeper {
  progress: number
  message: string | null
  readonly #store: () => Promise<void>
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #busy = false
  #dirty = false

  /** @param store Writes the present values; must not reject */
  constructor(
    start: { progress: number; message: string | null },
    store: () => Promise<void>,
    clock: Clock,
    signal: AbortSignal,
  ) {
    this.progress = start.progress
    this.message = start.message
    this.#store = store
    this.#clock = clock
    this.#signal = signal
  }

  report(percent: number, message?: string): void {
    if (Number.isFinite(percent)) this.progress = Math.round(Math.min(100, Math.max(0, percent)))
    if (message !== undefined) this.message = String(message).slice(0, 1000)
    this.#dirty = true
    if (!this.#busy) void this.#flush()
  }

  async #flush(): Promise<void> {
    this.#busy = true
    while (this.#dirty && !this.#signal.aborted) {
      this.#dirty = false
      await this.#store()
      await this.#clock.sleep(INTERVAL_MS, this.#signal).catch(() => {})
    }
    this.#busy = false
  }
}
