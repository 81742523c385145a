import { AppError } from '../errors.ts'
import type { JobStore } from '../store/store.ts'

const RETRY_AFTER_S = '30'

/**
 * Refuses submissions while too many jobs wait. Counting a long queue is slow, so it is counted in the background,
 * and what was accepted since is added.
 */
export class Backlog {
  readonly #max: number
  #ready = 0

  /** @param max Ready jobs above which nothing more is taken */
  constructor(max: number) {
    this.#max = max
  }

  /** @throws AppError 503 */
  admit(): void {
    if (this.#ready >= this.#max) {
      throw new AppError('overloaded', `More than ${this.#max} jobs are waiting.`, {
        headers: { 'retry-after': RETRY_AFTER_S },
      })
    }
    this.#ready += 1
  }

  async count(jobs: JobStore): Promise<void> {
    this.#ready = await jobs.countReady(this.#max)
  }
}
