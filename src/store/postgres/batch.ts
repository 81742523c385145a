import { StoreUnavailableError } from '../../errors.ts'
import { isConflict } from './failures.ts'

interface Member<In, Out> {
  input: In
  resolve: (value: Out) => void
  reject: (reason: unknown) => void
}

/** Bound one statement's size and how long its locks are held. */
const MAX_BATCH = 256
const MAX_CHARACTERS = 8 * 1024 * 1024
/** Batches of a verb that are under way at once: the next ones fill up meanwhile. */
const MAX_UNDER_WAY = 2

/**
 * Group commit: calls of one verb that come while others are under way travel in one transaction, so that durability
 * costs one flush for all. When a batch fails, its members go one by one, and only the one at fault is told.
 */
export class Batch<In, Out> {
  readonly #write: (inputs: In[]) => Promise<Out[]>
  readonly #lengthOf: (input: In) => number
  readonly #rowOf: (input: In) => string | null
  #queue: Member<In, Out>[] = []
  #underWay = 0

  /**
   * @param write One transaction for all inputs; answers in their order
   * @param lengthOf Characters of what may be long in an input
   * @param rowOf The row that an input changes, if it is there already: one statement changes it once, so who wants the
   *   same row comes with a later group
   */
  constructor(
    write: (inputs: In[]) => Promise<Out[]>,
    lengthOf: (input: In) => number,
    rowOf: (input: In) => string | null = () => null,
  ) {
    this.#write = write
    this.#lengthOf = lengthOf
    this.#rowOf = rowOf
  }

  run(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ input, resolve, reject })
      // What comes in the same turn of the event loop shares the transaction.
      if (this.#queue.length === 1) setImmediate(() => this.#next())
    })
  }

  #next(): void {
    while (this.#queue.length > 0 && this.#underWay < MAX_UNDER_WAY) {
      const group = this.#queue.splice(0, this.#groupSize())
      this.#underWay += 1
      void this.#commit(group).finally(() => {
        this.#underWay -= 1
        this.#next()
      })
    }
  }

  #groupSize(): number {
    const rows = new Set<string>()
    let characters = 0
    let size = 0
    while (size < Math.min(this.#queue.length, MAX_BATCH)) {
      const { input } = this.#queue[size] as Member<In, Out>
      const row = this.#rowOf(input)
      characters += this.#lengthOf(input)
      if (size > 0 && (characters > MAX_CHARACTERS || (row !== null && rows.has(row)))) break
      if (row !== null) rows.add(row)
      size += 1
    }
    return size
  }

  async #commit(group: Member<In, Out>[]): Promise<void> {
    try {
      const values = await this.#write(group.map(({ input }) => input))
      for (const [i, { resolve }] of group.entries()) resolve(values[i] as Out)
    } catch (error) {
      const gone = error instanceof StoreUnavailableError && !isConflict(error)
      if (group.length === 1 || gone) for (const { reject } of group) reject(error)
      else for (const member of group) await this.#commit([member])
    }
  }
}
