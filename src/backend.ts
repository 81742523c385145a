import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { embeddedEngine } from './engine/embedded.ts'
import type { Engine } from './engine/engine.ts'
import { graphileEngine } from './engine/graphile.ts'
import { BEAT_MS, type Lease, SharedLease, soleLease } from './engine/lease.ts'
import type { BusinessEvents } from './events.ts'
import { openPostgresStore } from './store/postgres/store.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import type { Store } from './store/store.ts'

/** Where work is kept, what rings when there is some, and by what this process holds its part of it. */
export interface Backend {
  store: Store
  engine: Engine
  lease: Lease
  clock: Clock
}

export interface BackendOptions {
  config: Config
  events: BusinessEvents
  /** Tests bring their own. */
  clock: Clock | undefined
  /** Job types this process performs. */
  types: readonly string[]
}

/** Opens the database of the configuration with its engine; `stack` closes them. @throws StartError */
export function openBackend(options: BackendOptions, stack: AsyncDisposableStack): Promise<Backend> {
  const { database } = options.config
  return database.kind === 'sqlite'
    ? openEmbedded(database.path, options, stack)
    : openPostgres(database.url, options, stack)
}

/** One process. */
async function openEmbedded(path: string, options: BackendOptions, stack: AsyncDisposableStack): Promise<Backend> {
  const { events, clock = systemClock() } = options
  const store = stack.use(openSqliteStore(path))
  const lease = await soleLease(store.workers, clock)
  const engine = stack.use(embeddedEngine(clock, events.taskFailed))
  return { store, engine, lease, clock }
}

/** One of many. */
async function openPostgres(url: string, options: BackendOptions, stack: AsyncDisposableStack): Promise<Backend> {
  const { config, events, types } = options
  // Connections and leases have to do with other machines: they go by real time, whatever a test's clock says.
  const own = systemClock()
  const clock = options.clock ?? own
  const onFault = (error: unknown) => events.taskFailed('talking to the database', error)
  const store = stack.use(await openPostgresStore({ url, poolSize: config.databasePool, clock: own, onFault }))
  const { db, session } = store
  const lease = stack.use(new SharedLease(store.workers, own, session.connected, own.adjust))
  await lease.enter()
  const id = lease.workerId
  const engine = stack.use(graphileEngine({ db, session, clock, id, types, onError: events.taskFailed }))
  engine.every(BEAT_MS, 'keeping the lease', () => lease.beat())
  return { store, engine, lease, clock }
}
