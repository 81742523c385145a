import type { Clock } from '../../clock.ts'
import type { Database } from './database.ts'
import { asStoreError } from './failures.ts'

/**
 * The process's own connection to the database, beside the pool. It hears notifications, holds the locks by which
 * others see that the process is there, and tells from a probe each second whether the server answers at all.
 */
export interface Session extends AsyncDisposable {
  /** Resolves with the first connection; rejects when there is none to be had. */
  ready: Promise<void>
  /** Hears what is notified on a channel, from now on and after each reconnect. */
  listen(channel: string, listener: (payload: string) => void): Promise<void>
  connected(): boolean
  /** Notifications may have been missed. */
  onReconnect(listener: () => void): void
  /** Holds an advisory lock as long as the session lasts, and again after each reconnect. Replaces the one before. */
  hold(name: string): Promise<void>
}

const PROBE_MS = 1000
/** A server that does not answer the probe in this time is taken for gone. Shorter than the 5 s a client may wait. */
const ANSWER_MS = 2500
/** Waited for in so many parts: what passes while this process or its machine stands still counts as one of them. */
const ANSWER_PARTS = 10
const RECONNECT_MS = 250

type Client = ReturnType<Database['dedicated']>

/** @param onFault Told when the connection is lost, and not again until it is back */
export function openSession(db: Database, clock: Clock, onFault: (error: unknown) => void): Session {
  const listeners = new Map<string, (payload: string) => void>()
  const reconnectListeners: (() => void)[] = []
  const stop = new AbortController()
  let client: Client | null = null
  let held: string | null = null

  async function subscribe(to: Client): Promise<void> {
    for (const channel of listeners.keys()) await to.query(`LISTEN ${channel}`)
    // Ours from before may linger until the server notices that it is gone; it is then as good as this one.
    if (held !== null) await to.query(HOLD, [held])
  }

  async function keepServing(connected: () => void): Promise<void> {
    while (!stop.signal.aborted) {
      let was = false
      const onConnected = async (current: Client): Promise<void> => {
        current.on('notification', ({ channel, payload }) => listeners.get(channel)?.(payload ?? ''))
        await subscribe(current)
        client = current
        was = true
        db.up()
        connected()
      }
      await serve(db.dedicated(), clock, stop.signal, onConnected).catch((error: unknown) => {
        if (stop.signal.aborted) return
        if (was) onFault(asStoreError(error))
        db.down(error)
      })
      client = null
      await clock.sleep(RECONNECT_MS, stop.signal).catch(() => {})
    }
  }

  let serving: Promise<void> = Promise.resolve()
  const ready = new Promise<void>((resolve) => {
    let first = true
    serving = keepServing(() => {
      if (!first) for (const listener of reconnectListeners) listener()
      first = false
      resolve()
    })
  })
  return {
    ready,
    async listen(channel, listener) {
      listeners.set(channel, listener)
      await client?.query(`LISTEN ${channel}`)
    },
    connected: () => client !== null,
    onReconnect: (listener) => {
      reconnectListeners.push(listener)
    },
    async hold(name) {
      held = name
      await client?.query(HOLD, [name])
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await serving
    },
  }
}

const HOLD = 'SELECT pg_try_advisory_lock(hashtextextended($1, 0))'

/** Connects, and probes until the connection fails or is to end. */
async function serve(
  client: Client,
  clock: Clock,
  stop: AbortSignal,
  onConnected: (client: Client) => Promise<void>,
): Promise<void> {
  const lost = new Promise<never>((_, reject) => {
    client.on('error', reject)
    client.on('end', () => reject(new Error('the connection has ended')))
  })
  lost.catch(() => {})
  try {
    await inTime(Promise.race([client.connect(), lost]), clock)
    await inTime(Promise.race([onConnected(client), lost]), clock)
    while (!stop.aborted) {
      await Promise.race([clock.sleep(PROBE_MS, stop).catch(() => {}), lost])
      if (!stop.aborted) await inTime(Promise.race([client.query('SELECT 1'), lost]), clock)
    }
  } finally {
    void client.end().catch(() => {})
  }
}

/** @throws Error when it takes longer than the database may take to answer */
async function inTime<T>(work: Promise<T>, clock: Clock): Promise<T> {
  const enough = new AbortController()
  const late = (async () => {
    for (let part = 0; part < ANSWER_PARTS; part++) await clock.sleep(ANSWER_MS / ANSWER_PARTS, enough.signal)
    throw new Error(`the database has not answered within ${ANSWER_MS} ms`)
  })()
  late.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    enough.abort()
  }
}
