import type { LoadReport, Window } from '../messages.ts'
import { monotonicMs } from '../monotonic.ts'
import type { Answer } from './connection.ts'

const MAX_FAILURES = 5
const ACCEPTED = 202
/** The first member of an answer to a job or an event. */
const ID = /"id":"((?:job|evt)_\w+)"/

/** What the generator has seen so far. */
export class Notes {
  readonly #ids: string[] = []
  readonly #dueAt: number[] = []
  readonly #answeredAt: number[] = []
  readonly #failures: string[] = []
  #failed = 0

  add(dueAt: number, { status, text }: Answer): void {
    const id = status === ACCEPTED ? ID.exec(text)?.[1] : undefined
    if (id === undefined) {
      this.#fail(text)
      return
    }
    this.#ids.push(id)
    this.#dueAt.push(dueAt)
    this.#answeredAt.push(monotonicMs())
  }

  report(window: Window, cpuUs: number): LoadReport {
    return {
      kind: 'loaded',
      window,
      ids: this.#ids,
      dueAt: Float64Array.from(this.#dueAt),
      answeredAt: Float64Array.from(this.#answeredAt),
      failures: this.#failures,
      failed: this.#failed,
      cpuUs,
    }
  }

  #fail(text: string): void {
    this.#failed += 1
    if (this.#failures.length < MAX_FAILURES) this.#failures.push(text)
  }
}
