/** What somebody may be waiting for, and by what names. No names at all: any may be meant, look at all. */
export interface Wakes {
  /** Types of jobs that became ready. */
  jobs: readonly string[]
  /** Endpoints with deliveries that became due. */
  lanes: readonly string[]
  /** Jobs that were cancelled, wherever they run. */
  cancelled: readonly string[]
  /** Jobs that were started, made progress or ended, for those who watch them. */
  changed: readonly string[]
  /** Tenants with new events, for those who pull them. */
  events: readonly string[]
}

/**
 * Rings bells; the tables are the truth. A wake-up may be lost or come twice:
 * whoever is woken looks into the tables, and looks there every second unasked.
 */
export interface Engine extends AsyncDisposable {
  /** To be called after the commit. */
  wake<Channel extends keyof Wakes>(channel: Channel, names: Wakes[Channel]): void
  onWake<Channel extends keyof Wakes>(channel: Channel, listener: (names: Wakes[Channel]) => void): void
  /**
   * Runs `task` every `ms` from `start` on, never twice at once; a failure is reported and does not stop it.
   * What has a minute or more between its runs is done by one process of a cluster, the rest by each.
   */
  every(ms: number, name: string, task: () => Promise<void>): void
  /** Begins to hear and to repeat: everything must have been said by then. */
  start(): Promise<void>
  /** Names of repeated tasks that have not run for much longer than they should. */
  lateTasks(): string[]
}
