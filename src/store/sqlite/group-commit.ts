import type { Database } from 'better-sqlite3'
import { StoreUnavailableError } from '../../errors.ts'

interface Pending {
  run: () => unknown
  resolve: (value: unknown) => void
  reject: (reason: unknown) => void
}

/** Bounds how long one transaction keeps the event loop. */
const MAX_GROUP = 256

/**
 * Writes of one turn of the event loop share a transaction, and so one fsync. A caller is answered after the commit.
 * When a group fails, its members run one by one, so that only the one at fault is told.
 */
export class GroupCommit {
  readonly #db: Database
  readonly #inTransaction: (group: Pending[]) => unknown[]
  #queue: Pending[] = []
  #scheduled = false

  constructor(db: Database) {
    this.#db = db
    const transaction = db.transaction((group: Pending[]) => group.map((member) => member.run()))
    this.#inTransaction = transaction.immediate
  }

  /** Runs `write` inside the next group. It must be synchronous and touch nothing but the database. */
  run<T>(write: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: write, resolve: resolve as (value: unknown) => void, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(() => this.#flush())
    })
  }

  /** Commits what is queued now. */
  drain(): void {
    while (this.#queue.length > 0) this.#flush()
  }

  #flush(): void {
    const group = this.#queue.splice(0, MAX_GROUP)
    this.#scheduled = this.#queue.length > 0
    if (this.#scheduled) setImmediate(() => this.#flush())
    if (group.length > 0) this.#commit(group)
  }

  #commit(group: Pending[]): void {
    try {
      const values = this.#inTransaction(group)
      for (const [i, member] of group.entries()) member.resolve(values[i])
    } catch (error) {
      // A COMMIT that failed (disk full, I/O error) can leave the transaction open.
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
      if (group.length === 1) group[0]?.reject(unavailable(error))
      else for (const member of group) this.#commit([member])
    }
  }
}

/** SQLite's result codes for a disk that does not take the write. */
function unavailable(error: unknown): unknown {
  const code = String((error as { code?: unknown }).code)
  return /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|BUSY|CORRUPT|NOMEM)/.test(code)
    ? new StoreUnavailableError(error)
    : error
}
