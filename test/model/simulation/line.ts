import type { Clock } from '../../../src/clock.ts'
import { StoreUnavailableError } from '../../../src/errors.ts'
import type { Store } from '../../../src/store/store.ts'
import { countStep } from '../check.ts'

/** What goes wrong between processes and their store, and on whom it fell. */
export interface Faults {
  /** Share of the calls that fail, half of them after the store has done what it was asked. */
  share: number
  /** Share of the calls that take long, half of them after the store has done what it was asked. */
  slow: number
  chance: () => number
  /** Jobs and deliveries that a process had when it ended, or when others took them: they may be done twice. */
  readonly touched: Set<string>
}

/** Counts the calls to a store that have not been answered, to know when time may go on. */
export class Traffic {
  #open = 0
  #quiet: (() => void)[] = []

  async pass<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    this.#open += 1
    countStep()
    try {
      return await call()
    } finally {
      this.#open -= 1
      if (this.#open === 0) for (const tell of this.#quiet.splice(0)) tell()
    }
  }

  /** Resolves when nobody waits for a store any more. */
  async settled(): Promise<void> {
    for (let turns = 0; turns < 3; turns++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#open === 0) continue
      turns = -1
      await new Promise<void>((resolve) => this.#quiet.push(resolve))
    }
  }
}

/** Longer than it takes others to notice that a process is gone. */
const MAX_DELAY_MS = 6000

/** The end of a process in the middle of whatever it does. */
export class DeadError extends Error {}

/** A process's way to the store. */
export interface Line {
  readonly store: Pick<Store, 'jobs' | 'deliveries'>
  /** Nothing comes through any more, in neither direction. */
  cut(): void
}

export function lineTo(store: Store, clock: Clock, faults: Faults, traffic: Traffic): Line {
  let alive = true
  const { chance } = faults
  const dawdle = async (isSlow: boolean): Promise<void> => {
    if (isSlow) await clock.sleep(MAX_DELAY_MS * chance() ** 4)
  }
  const call = async (args: unknown[], verb: () => Promise<unknown>): Promise<unknown> => {
    if (!alive) throw new DeadError()
    const [fate, pace] = [chance(), chance()]
    await dawdle(pace < faults.slow / 2)
    if (fate < faults.share / 2) throw new StoreUnavailableError(new Error('the call did not get through'))
    if (!alive) throw new DeadError()
    const answer = await traffic.pass(verb)
    await dawdle(pace >= faults.slow / 2 && pace < faults.slow)
    if (!alive) {
      for (const id of [args, answer].flatMap(idsIn)) faults.touched.add(id)
      throw new DeadError()
    }
    if (fate < faults.share) throw new StoreUnavailableError(new Error('the answer was lost'))
    return answer
  }
  const through = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get: (target, name) => {
        const verb: unknown = Reflect.get(target, name)
        return typeof verb !== 'function' ? verb : (...args: unknown[]) => call(args, () => verb.apply(target, args))
      },
    })
  return {
    store: { jobs: through(store.jobs), deliveries: through(store.deliveries) },
    cut: () => {
      alive = false
    },
  }
}

/** Of jobs and deliveries that a call is about. */
function idsIn(value: unknown): string[] {
  if (typeof value === 'string') return /^(job|dlv)_[0-9a-f]{32}$/.test(value) ? [value] : []
  if (Array.isArray(value)) return value.flatMap(idsIn)
  if (value === null || typeof value !== 'object') return []
  const { id, delivery, deliveries, job } = value as Record<string, unknown>
  return [id, delivery, deliveries, job].flatMap(idsIn)
}
