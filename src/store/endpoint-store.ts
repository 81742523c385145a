import type { JsonText } from '../core/job.ts'
import type { DisableReason, LaneState } from '../core/lane.ts'
import type { AuditEntry } from './delivery-store.ts'
import type { NewKey, Page } from './job-store.ts'

export type EndpointKind = 'implied' | 'registered'

/** `fifo`: the deliveries of one key follow each other. */
export type Ordering = 'none' | 'fifo'

/** A place that receives deliveries, and the state of its lane. */
export interface Endpoint extends LaneState {
  id: string
  tenantId: string
  kind: EndpointKind
  /** Of an implied one: scheme, host and port of the callback URLs it stands for. */
  origin: string | null
  /** Of a registered one. */
  url: string | null
  description: string | null
  /** JSON array of patterns. */
  eventTypes: JsonText
  /** Sealed JSON object. */
  headers: string | null
  /** JSON object of strings. */
  metadata: JsonText | null
  ordering: Ordering
  /** JSON array of waits in ms; null: the platform's. */
  retrySchedule: JsonText | null
  /** Sealed; null: the tenant's secret signs. */
  signingSecret: string | null
  /** 1: deliveries carry a signature by the tenant's Ed25519 key, too. */
  ed25519: number
  /** JSON array of OldSecret. */
  oldSecrets: JsonText
  disabledReason: DisableReason | null
  enabledAt: number | null
  /** It is gone for everybody; what waited for it is being given up. */
  deletedAt: number | null
  /** When its tenant was told that much waits for it; null again when that is over. */
  backlogToldAt: number | null
  createdAt: number
  updatedAt: number | null
}

/** A secret that was rotated out and signs beside the new one for a while. */
export interface OldSecret {
  /** Sealed. */
  secret: string
  until: number
}

export type AddedEndpoint =
  | { kind: 'created'; endpoint: Endpoint }
  /** The key was used for the same request before: the endpoint it made, as it is now. */
  | { kind: 'repeated'; endpoint: Endpoint }
  | { kind: 'key_reused' }
  | { kind: 'key_busy' }

/** Why an endpoint is not sent to. */
export type Trouble = 'disabled' | 'open'

/** Registered endpoints. Deleted ones are not found. */
export interface EndpointStore {
  add(endpoint: Endpoint, key: NewKey | null): Promise<AddedEndpoint>
  /** @param tenantId Null for admins */
  get(tenantId: string | null, id: string): Promise<Endpoint | null>
  /** Where its callbacks go; null when there is none. What each submission asks that names one. */
  urlOf(tenantId: string, id: string): Promise<string | null>
  /** Newest first. @param trouble Only those that are disabled, or whose breaker is open */
  list(tenantId: string | null, page: Page, trouble?: Trouble): Promise<Endpoint[]>
  /** Writes what `change` makes of the endpoint, with its lane held. Null when there is none. */
  update(
    tenantId: string | null,
    id: string,
    change: (endpoint: Endpoint) => Endpoint,
    audit?: AuditEntry | null,
  ): Promise<Endpoint | null>
  /** False when there is none. */
  remove(tenantId: string | null, id: string, now: number): Promise<boolean>
}
