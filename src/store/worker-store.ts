/** A worker as another process sees it. */
export interface WorkerSeen {
  id: string
  /** Counts its signs of life. */
  beats: number
  /** Its session with the database is open. False also while a living worker reconnects. */
  connected: boolean
}

/** The database's clock, beside those of the workers that go by it. */
export interface DatabaseTime {
  now: number
  /** By how much the other workers' clocks are ahead of it, in ms; null when there is nobody to ask. */
  othersAheadMs: number | null
}

/** Which processes hold claims. A claim whose worker is not on the list is nobody's, and is taken back. */
export interface WorkerStore {
  /** Puts a worker on the list. */
  enter(id: string, now: number): Promise<DatabaseTime>
  /** A sign of life. Null: the worker was struck off, and with it all it held. */
  beat(id: string, now: number): Promise<DatabaseTime | null>
  seen(): Promise<WorkerSeen[]>
  /** Ends a worker that has given no sign of life since it was seen. False: it has. */
  strikeOff(seen: Pick<WorkerSeen, 'id' | 'beats'>): Promise<boolean>
  /** Takes oneself off the list, when nothing is held any more. */
  leave(id: string): Promise<void>
}
