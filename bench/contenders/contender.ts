/** What may differ from run to run. */
export interface Settings {
  roles: string
  /** Of every signature. */
  secret: string
  /** Where the receiver listens. */
  receiverPort: number
  /** Attempts at once, as the endpoints of the run allow. */
  concurrency: number
  /** The service processes; the bare loop has one whatever this says. */
  processes: number
  /** POSTHORN_MAX_CONNECTIONS, where the default is too few. */
  maxConnections?: number
}

/** A job as the service itself knows it in the end. `delivered` counts the deliveries of its end, or of an event. */
export interface Stored {
  id: string
  /** Null: an event. */
  status: string | null
  delivered: number
}

/** What a database has been asked to do so far. */
export interface Counters {
  rowWrites: number
  commits: number
  /** fsync and fdatasync; null where they cannot be counted. */
  syncs: number | null
}

/** A contender that runs. Disposing ends it and removes what it stored. */
export interface Target extends AsyncDisposable {
  urls: string[]
  /** When its first process was started, on the monotonic clock. */
  startedAt: number
  /** Of the contender's own processes. */
  pids: number[]
  headers: Record<string, string>
  /** Ends it, waits, and reads what it has stored; null when it stores nothing. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<Stored[] | null>
  /** Processor time of the database's own processes so far, in µs; null where there are none. */
  databaseCpuUs(): Promise<number | null>
  /** Of the database, as it is. */
  diskBytes(): Promise<number | null>
  /** Null where nothing is counted: the bare loop, and runs that were not asked to count. */
  counters(): Promise<Counters | null>
}

/** What is measured: the service on one of its engines, or the bare loop. */
export interface Contender {
  name: string
  start(settings: Settings): Promise<Target>
}
