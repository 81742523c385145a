import type { AuditEntry } from './delivery-store.ts'
import type { Page } from './job-store.ts'

export interface AuditFilter {
  /** Id of a key. */
  actor?: string | undefined
  action?: string | undefined
  target?: string | undefined
  requestId?: string | undefined
  after?: number | undefined
  before?: number | undefined
}

/** What admins did. Entries are written with what they tell of, and never changed. */
export interface AuditStore {
  /** Newest first. */
  list(filter: AuditFilter, page: Page): Promise<AuditEntry[]>
  /** For an act that changes nothing in the store, like showing a secret. */
  add(entry: AuditEntry): Promise<void>
}
