import type { AuditStore } from './audit-store.ts'
import type { DeliveryStore } from './delivery-store.ts'
import type { EndpointStore } from './endpoint-store.ts'
import type { EventStore } from './event-store.ts'
import type { FileStore } from './file-store.ts'
import type { JobStore } from './job-store.ts'
import type { KeyStore } from './key-store.ts'
import type { ReplayStore } from './replay-store.ts'
import type { StatsStore } from './stats-store.ts'
import type { TenantStore } from './tenant-store.ts'
import type { WorkerStore } from './worker-store.ts'

export type * from './audit-store.ts'
export type * from './delivery-store.ts'
export type * from './endpoint-store.ts'
export type * from './event-store.ts'
export type * from './file-store.ts'
export type * from './job-store.ts'
export type * from './key-store.ts'
export type * from './replay-store.ts'
export type * from './stats-store.ts'
export type * from './tenant-store.ts'
export type * from './worker-store.ts'

// The store's verbs. Each is one transaction, and each guard that no longer holds is answered with a value
// (null or false), never with an exception: somebody else was faster, so the caller stops.
// All times are ms since 1970 and come from the caller's clock.

export interface Store extends AsyncDisposable {
  readonly tenants: TenantStore
  readonly keys: KeyStore
  readonly audit: AuditStore
  readonly jobs: JobStore
  readonly deliveries: DeliveryStore
  readonly endpoints: EndpointStore
  readonly replays: ReplayStore
  readonly events: EventStore
  readonly files: FileStore
  readonly workers: WorkerStore
  readonly stats: StatsStore
  /** Resolves when the database can be written to now; rejects with the reason when not. */
  ping(): Promise<void>
  /** Runs `work` while no other process of this database does the like: for what is done once, at the first start. */
  alone<T>(work: () => Promise<T>): Promise<T>
}
