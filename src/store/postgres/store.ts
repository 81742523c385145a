import type { Clock } from '../../clock.ts'
import { StoreUnavailableError } from '../../errors.ts'
import type { Store } from '../store.ts'
import { postgresAudit } from './audit.ts'
import { postgresReplays } from './bulk-replays.ts'
import type { Database } from './database.ts'
import { postgresDeliveries } from './deliveries.ts'
import { postgresEndpoints } from './endpoints.ts'
import { postgresEvents } from './events.ts'
import { postgresFiles } from './files.ts'
import { postgresJobs } from './jobs.ts'
import { postgresKeys } from './keys.ts'
import { alone, openDatabase } from './open.ts'
import { openSession, type Session } from './session.ts'
import { statement } from './statement.ts'
import { postgresStats } from './stats.ts'
import { postgresTenants } from './tenants.ts'
import { postgresWorkers } from './workers.ts'

/** The store, and what an engine on the same database needs. */
export interface PostgresStore extends Store {
  readonly db: Database
  readonly session: Session
}

export interface PostgresOptions {
  url: string
  /** Connections of the pool; the session has one more. */
  poolSize: number
  clock: Clock
  /** Told when the server has gone. */
  onFault: (error: unknown) => void
}

// A standby refuses the transaction id; a server that is read-only by its settings, as one whose disk is full, gives it.
const writable = statement(
  'SELECT pg_current_xact_id(), current_setting(\'transaction_read_only\')::boolean AS "readOnly"',
)

/** The store on PostgreSQL, for any number of processes. @throws StartError when it cannot be opened */
export async function openPostgresStore({ url, poolSize, clock, onFault }: PostgresOptions): Promise<PostgresStore> {
  const db = await openDatabase(url, poolSize)
  const session = openSession(db, clock, onFault)
  await session.ready
  return {
    db,
    session,
    tenants: postgresTenants(db),
    keys: postgresKeys(db),
    audit: postgresAudit(db),
    jobs: postgresJobs(db),
    deliveries: postgresDeliveries(db),
    endpoints: postgresEndpoints(db),
    replays: postgresReplays(db),
    events: postgresEvents(db),
    files: postgresFiles(db),
    workers: postgresWorkers(db, session),
    stats: postgresStats(db),
    ping: async () => {
      const [answer] = await db.rows<{ readOnly: boolean }>(writable())
      if (answer?.readOnly) throw new StoreUnavailableError(new Error('it is read-only'))
    },
    alone: (work) => alone(db, () => work()),
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]()
      await db.close()
    },
  }
}
