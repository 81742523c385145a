import type { JobStore } from '../store/store.ts'

/**
 * How many jobs wait, to refuse more in time. Counting a long queue is slow, so it is counted in the background,
 * and what was accepted since is added.
 */
export class Backlog {
  readonly #max: number
  #ready = 0

  /** @param max Ready jobs above which nothing more is taken */
  constructor(max: number) {
    this.#max = max
  }

  get ready(): number {
    return this.#ready
  }

  /** There may be more than was counted. */
  get full(): boolean {
    return this.#ready >= this.#max
  }

  /** Takes a place before the job is stored, so that a burst cannot pass all at once. False: there is none. */
  reserve(): boolean {
    if (this.full) return false
    this.#ready += 1
    return true
  }

  /** Nothing came of it. */
  release(): void {
    this.#ready = Math.max(0, this.#ready - 1)
  }

  async count(jobs: JobStore): Promise<void> {
    this.#ready = await jobs.countReady(this.#max)
  }
}
