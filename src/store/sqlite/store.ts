import type { Store } from '../store.ts'
import { sqliteAudit } from './audit.ts'
import { sqliteReplays } from './bulk-replays.ts'
import { sqliteDeliveries } from './deliveries.ts'
import { sqliteEndpoints } from './endpoints.ts'
import { sqliteEvents } from './events.ts'
import { sqliteFiles } from './files.ts'
import { GroupCommit } from './group-commit.ts'
import { sqliteJobs } from './jobs.ts'
import { type KnownCallers, sqliteKeys } from './keys.ts'
import { openDatabase } from './open.ts'
import { openReader } from './reader.ts'
import { sqliteStats } from './stats.ts'
import { sqliteTenants } from './tenants.ts'
import { sqliteWorkers } from './workers.ts'

/**
 * The store on an embedded database: one process, one connection that writes.
 * @param path A file, or MEMORY
 * @throws StartError when the database cannot be opened
 */
export function openSqliteStore(path: string): Store {
  const { db, close } = openDatabase(path)
  const writer = new GroupCommit(db)
  const reader = openReader(path, db)
  const callers: KnownCallers = new Map()
  let pings = 0
  return {
    tenants: sqliteTenants(db, writer, callers),
    keys: sqliteKeys(db, writer, callers),
    audit: sqliteAudit(db, writer, reader),
    jobs: sqliteJobs(db, writer, reader),
    deliveries: sqliteDeliveries(db, writer, reader),
    endpoints: sqliteEndpoints(db, writer),
    replays: sqliteReplays(db, writer, reader),
    events: sqliteEvents(db, writer, reader),
    files: sqliteFiles(db, writer),
    workers: sqliteWorkers(db, writer),
    stats: sqliteStats(db, writer, reader),
    alone: (work) => work(),
    ping: () =>
      writer.run(() => {
        // A real write: a full disk still answers reads.
        pings += 1
        db.pragma(`user_version = ${pings % 2 ** 31}`)
      }),
    [Symbol.asyncDispose]: async () => {
      writer.drain()
      await reader.close()
      close()
    },
  }
}
