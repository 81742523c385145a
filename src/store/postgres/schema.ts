import { sql } from 'drizzle-orm'
import { doublePrecision, index, integer, pgTable, primaryKey } from 'drizzle-orm/pg-core'
import type { JobStatus, QueueState } from '../../core/job.ts'
import type { KeyRole } from '../store.ts'
import { long, text } from './columns.ts'

// Endpoints, events and deliveries are in schema-delivery.ts.
export * from './schema-delivery.ts'

// Times are ms since 1970, JSON is text: a row is what the store's interface returns, without mapping.
// No foreign keys: what a row refers to is written in the same transaction and removed by the same sweep.

export const tenants = pgTable('tenants', {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  /** Sealed (see secrets.ts). */
  signingSecret: text('signing_secret').notNull(),
  /** Ed25519: `whsk_…`, sealed, and `whpk_…`; made when the first endpoint asks for it. */
  signingKey: text('signing_key'),
  publicKey: text('public_key'),
  /** JSON array of OldSecret. */
  oldSecrets: text('old_secrets').notNull().default('[]'),
  /** Of each process; null: as the service is configured. */
  pollLimitPerS: doublePrecision('poll_limit_per_s'),
  requestLimitPerS: doublePrecision('request_limit_per_s'),
  createdAt: long('created_at').notNull(),
  updatedAt: long('updated_at'),
})

export const apiKeys = pgTable('api_keys', {
  id: text().primaryKey(),
  tenantId: text('tenant_id'),
  role: text().$type<KeyRole>().notNull(),
  name: text().notNull(),
  /** SHA-256 of the key, hex. */
  hash: text().notNull().unique(),
  prefix: text().notNull(),
  lastFour: text('last_four').notNull(),
  createdAt: long('created_at').notNull(),
  expiresAt: long('expires_at'),
  /** Exact to a minute. */
  lastUsedAt: long('last_used_at'),
  revokedAt: long('revoked_at'),
})

export const jobs = pgTable(
  'jobs',
  {
    id: text().primaryKey(),
    tenantId: text('tenant_id').notNull(),
    type: text().notNull(),
    status: text().$type<JobStatus>().notNull(),
    queue: text().$type<QueueState>(),
    priority: integer().notNull(),
    payload: text().notNull(),
    metadata: text(),
    endpointId: text('endpoint_id'),
    callbackUrl: text('callback_url'),
    callbackEvents: text('callback_events').notNull(),
    callbackDeliveryId: text('callback_delivery_id'),
    traceparent: text().notNull(),
    createdAt: long('created_at').notNull(),
    runAt: long('run_at').notNull(),
    dueAt: long('due_at').notNull(),
    deadlineAt: long('deadline_at'),
    timeoutMs: long('timeout_ms').notNull(),
    maxAttempts: integer('max_attempts').notNull(),
    resultTtlMs: long('result_ttl_ms'),
    attempt: integer().notNull(),
    lostRuns: integer('lost_runs').notNull(),
    claimNo: integer('claim_no').notNull(),
    workerId: text('worker_id'),
    progress: integer().notNull(),
    message: text(),
    startedAt: long('started_at'),
    finishedAt: long('finished_at'),
    result: text(),
    resultFileId: text('result_file_id'),
    error: text(),
    suspendedUntil: long('suspended_until'),
    expiryDueAt: long('expiry_due_at'),
    expiringAt: long('expiring_at'),
    expiredAt: long('expired_at'),
    version: integer().notNull(),
  },
  (t) => [
    // What is ready is found by type and tenant, in the order it is taken; what is scheduled waits elsewhere.
    index('jobs_ready').on(t.type, t.tenantId, t.priority, t.dueAt, t.id).where(sql`queue = 'ready'`),
    // How many of a type are ahead, whoever's they are.
    index('jobs_position').on(t.type, t.priority, t.dueAt, t.id).where(sql`queue = 'ready'`),
    index('jobs_scheduled').on(t.dueAt).where(sql`queue = 'scheduled'`),
    index('jobs_processing').on(t.workerId).where(sql`status = 'processing'`),
    index('jobs_deadline').on(t.deadlineAt).where(sql`queue is not null and deadline_at is not null`),
    index('jobs_suspended').on(t.suspendedUntil).where(sql`suspended_until is not null`),
    index('jobs_expiry').on(t.expiryDueAt).where(sql`expiry_due_at is not null`),
    index('jobs_retention').on(t.expiredAt).where(sql`expired_at is not null`),
    index('jobs_by_tenant').on(t.tenantId, t.id),
    index('jobs_by_status').on(t.tenantId, t.status, t.id),
  ],
)

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenantId: text('tenant_id').notNull(),
    key: text().notNull(),
    /** SHA-256 over method, path and raw body. */
    fingerprint: text().notNull(),
    /** What the key made. */
    resourceId: text('resource_id').notNull(),
    createdAt: long('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.key] }), index('idempotency_keys_by_resource').on(t.resourceId)],
)

/** Progress, in the order it was made; the other events of a job follow from its row. */
export const jobEvents = pgTable(
  'job_events',
  {
    jobId: text('job_id').notNull(),
    seq: integer().notNull(),
    progress: integer().notNull(),
    message: text(),
    at: long().notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.seq] })],
)

/** How long runs of a type take, for estimates. */
export const typeStats = pgTable('type_stats', {
  type: text().primaryKey(),
  meanRunMs: doublePrecision('mean_run_ms').notNull(),
  updatedAt: long('updated_at').notNull(),
})

/** Files that a job's payload names: they stay as long as the job. */
export const fileRefs = pgTable(
  'file_refs',
  { fileId: text('file_id').notNull(), jobId: text('job_id').notNull() },
  (t) => [primaryKey({ columns: [t.fileId, t.jobId] }), index('file_refs_by_job').on(t.jobId)],
)

export const files = pgTable(
  'files',
  {
    id: text().primaryKey(),
    tenantId: text('tenant_id').notNull(),
    /** The job that made it and is erased with it; null for uploads. */
    jobId: text('job_id'),
    size: long().notNull(),
    sha256: text().notNull(),
    contentType: text('content_type').notNull(),
    createdAt: long('created_at').notNull(),
  },
  (t) => [
    index('files_by_job').on(t.jobId).where(sql`job_id is not null`),
    index('files_uploaded').on(t.createdAt).where(sql`job_id is null`),
  ],
)

export const auditLog = pgTable(
  'audit_log',
  {
    id: text().primaryKey(),
    at: long().notNull(),
    /** The API key that acted. */
    actor: text().notNull(),
    action: text().notNull(),
    target: text().notNull(),
    requestId: text('request_id').notNull(),
  },
  (t) => [index('audit_log_by_target').on(t.target, t.id)],
)

/** Processes that hold claims. A claim whose worker is not here is nobody's. */
export const workers = pgTable('workers', {
  id: text().primaryKey(),
  /** Counts its signs of life: whoever sees it stand still for too long takes the worker for dead. */
  beats: integer().notNull(),
  startedAt: long('started_at').notNull(),
  /** The last sign of life, by the database's clock. */
  beatAt: long('beat_at').notNull(),
  /** By how much its own clock was ahead of the database's then, in ms. */
  clockAheadMs: long('clock_ahead_ms').notNull(),
})
