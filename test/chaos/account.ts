import { until } from '../support/until.ts'
import type { Callbacks } from './callbacks.ts'
import type { Cluster } from './cluster.ts'
import type { Load } from './load.ts'

/** What became of a load, counted by the clients, the receivers and the tables. */
export interface Account {
  accepted: number
  /** Accepted, and nobody was called back. */
  lost: number
  /** Events that were delivered, each counted once. */
  callbacks: number
  /** How often one came again. */
  duplicates: number
  /** Webhook-ids that came more often than what was on its way when a process was killed can. */
  unexplained: string[]
  /** Answers and callbacks that should not be. */
  faults: string[]
  rows: { jobs: number; completed: number; events: number; delivered: number }
}

/** Longer than it takes to find out that a process is dead, and to do its work again. */
const PATIENCE_MS = 60_000

/** Waits until everybody was called back and the tables know, then counts. `onTheirWay` are the ids that may repeat. */
export async function settled(
  { tables }: Cluster,
  load: Load,
  callbacks: Callbacks,
  onTheirWay: readonly string[] = [],
): Promise<Account> {
  await load.done
  const count = (what: string) => tables.number(`SELECT count(*) FROM ${what}`)
  const over = async (): Promise<boolean> => {
    if (callbacks.jobs.size < load.accepted.size) return false
    const open = await count("jobs WHERE status IN ('pending', 'processing')")
    return open + (await count("deliveries WHERE status IN ('pending', 'delivering')")) === 0
  }
  // If it never is, the account says what is missing.
  await until('all is over', over, PATIENCE_MS).catch(() => {})
  const mayRepeat = Map.groupBy(onTheirWay, (id) => id)
  const repeats = [...callbacks.byId].map(([id, { arrivals }]) => ({ id, times: arrivals.length - 1 }))
  return {
    accepted: load.accepted.size,
    lost: [...load.accepted.values()].filter((id) => !callbacks.jobs.has(id)).length,
    callbacks: callbacks.byId.size,
    duplicates: repeats.reduce((sum, { times }) => sum + times, 0),
    unexplained: repeats.filter(({ id, times }) => times > (mayRepeat.get(id)?.length ?? 0)).map(({ id }) => id),
    faults: [...load.faults, ...callbacks.faults],
    rows: {
      jobs: await count('jobs'),
      completed: await count("jobs WHERE status = 'completed'"),
      events: await count('events'),
      delivered: await count("deliveries WHERE status = 'delivered'"),
    },
  }
}

/** Every job was made, done and told of once. */
export function nothingLost(jobs: number): Partial<Account> {
  return {
    accepted: jobs,
    lost: 0,
    callbacks: jobs,
    unexplained: [],
    faults: [],
    rows: { jobs, completed: jobs, events: jobs, delivered: jobs },
  }
}
