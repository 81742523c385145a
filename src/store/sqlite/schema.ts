import { sql } from 'drizzle-orm'
import { blob, index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { DeadReason, DeliveryStatus, ErrorClass } from '../../core/delivery.ts'
import type { JobStatus, QueueState } from '../../core/job.ts'
import type { DisableReason } from '../../core/lane.ts'
import type {
  AttemptOutcome,
  EndpointKind,
  KeyRole,
  Ordering,
  ReplayOrder,
  ReplayStatus,
  StatOutcome,
} from '../store.ts'

// Times are ms since 1970, JSON is text: a row is what the store's interface returns, without mapping.
// No foreign keys: what a row refers to is written in the same transaction and removed by the same sweep.

export const tenants = sqliteTable('tenants', {
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
  pollLimitPerS: real('poll_limit_per_s'),
  requestLimitPerS: real('request_limit_per_s'),
  createdAt: integer('created_at').notNull(),
  updatedAt: integer('updated_at'),
})

export const apiKeys = sqliteTable('api_keys', {
  id: text().primaryKey(),
  tenantId: text('tenant_id'),
  role: text().$type<KeyRole>().notNull(),
  name: text().notNull(),
  /** SHA-256 of the key, hex. */
  hash: text().notNull().unique(),
  prefix: text().notNull(),
  lastFour: text('last_four').notNull(),
  createdAt: integer('created_at').notNull(),
  expiresAt: integer('expires_at'),
  /** Exact to a minute. */
  lastUsedAt: integer('last_used_at'),
  revokedAt: integer('revoked_at'),
})

export const jobs = sqliteTable(
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
    createdAt: integer('created_at').notNull(),
    runAt: integer('run_at').notNull(),
    dueAt: integer('due_at').notNull(),
    deadlineAt: integer('deadline_at'),
    timeoutMs: integer('timeout_ms').notNull(),
    maxAttempts: integer('max_attempts').notNull(),
    resultTtlMs: integer('result_ttl_ms'),
    attempt: integer().notNull(),
    lostRuns: integer('lost_runs').notNull(),
    claimNo: integer('claim_no').notNull(),
    workerId: text('worker_id'),
    progress: integer().notNull(),
    message: text(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
    result: text(),
    resultFileId: text('result_file_id'),
    error: text(),
    suspendedUntil: integer('suspended_until'),
    expiryDueAt: integer('expiry_due_at'),
    expiringAt: integer('expiring_at'),
    expiredAt: integer('expired_at'),
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

export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    tenantId: text('tenant_id').notNull(),
    key: text().notNull(),
    /** SHA-256 over method, path and raw body. */
    fingerprint: text().notNull(),
    /** What the key made. */
    resourceId: text('resource_id').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.key] }), index('idempotency_keys_by_resource').on(t.resourceId)],
)

/** Progress, in the order it was made; the other events of a job follow from its row. */
export const jobEvents = sqliteTable(
  'job_events',
  {
    jobId: text('job_id').notNull(),
    seq: integer().notNull(),
    progress: integer().notNull(),
    message: text(),
    at: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.seq] })],
)

/** How long runs of a type take, for estimates. */
export const typeStats = sqliteTable('type_stats', {
  type: text().primaryKey(),
  meanRunMs: real('mean_run_ms').notNull(),
  updatedAt: integer('updated_at').notNull(),
})

/** Files that a job's payload names: they stay as long as the job. */
export const fileRefs = sqliteTable(
  'file_refs',
  { fileId: text('file_id').notNull(), jobId: text('job_id').notNull() },
  (t) => [primaryKey({ columns: [t.fileId, t.jobId] }), index('file_refs_by_job').on(t.jobId)],
)

export const endpoints = sqliteTable(
  'endpoints',
  {
    id: text().primaryKey(),
    tenantId: text('tenant_id').notNull(),
    kind: text().$type<EndpointKind>().notNull(),
    /** Of an implied endpoint: scheme, host and port of the callback URLs it stands for. */
    origin: text(),
    /** Of a registered one. */
    url: text(),
    description: text(),
    /** JSON array of patterns. */
    eventTypes: text('event_types').notNull().default('[]'),
    /** Sealed JSON object. */
    headers: text(),
    /** JSON object of strings. */
    metadata: text(),
    ordering: text().$type<Ordering>().notNull().default('none'),
    /** JSON array of waits in ms; null: the platform's. */
    retrySchedule: text('retry_schedule'),
    /** Sealed; null: the tenant's secret signs. */
    signingSecret: text('signing_secret'),
    /** 1: deliveries carry a signature by the tenant's Ed25519 key, too. */
    ed25519: integer().notNull().default(0),
    /** JSON array of OldSecret. */
    oldSecrets: text('old_secrets').notNull().default('[]'),
    concurrency: integer().notNull(),
    maxConcurrency: integer('max_concurrency').notNull(),
    pausedUntil: integer('paused_until'),
    disabledAt: integer('disabled_at'),
    disabledReason: text('disabled_reason').$type<DisableReason>(),
    enabledAt: integer('enabled_at'),
    rateLimitPerS: real('rate_limit_per_s'),
    rateTat: real('rate_tat'),
    silentAttempts: integer('silent_attempts').notNull().default(0),
    silentSince: integer('silent_since'),
    probeAt: integer('probe_at'),
    probeWaitMs: integer('probe_wait_ms'),
    failures: integer().notNull().default(0),
    failingSince: integer('failing_since'),
    lastSuccessAt: integer('last_success_at'),
    backlogToldAt: integer('backlog_told_at'),
    deletedAt: integer('deleted_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at'),
  },
  (t) => [
    uniqueIndex('endpoints_by_origin').on(t.tenantId, t.origin),
    index('endpoints_registered').on(t.tenantId, t.id).where(sql`kind = 'registered'`),
    index('endpoints_backlog').on(t.id).where(sql`backlog_told_at is not null`),
    index('endpoints_deleted').on(t.deletedAt).where(sql`deleted_at is not null`),
  ],
)

export const events = sqliteTable(
  'events',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    /** The transaction that wrote it, where several write at once: with seq, the order in which events are pulled. */
    xid: integer().notNull().default(0),
    id: text().notNull().unique(),
    tenantId: text('tenant_id').notNull(),
    type: text().notNull(),
    jobId: text('job_id'),
    /** What the order is kept by, on endpoints that keep it. */
    key: text(),
    /** How many deliveries it made. */
    fanOut: integer('fan_out').notNull().default(1),
    /** The bytes that are signed and sent, fixed when the event is made. */
    body: text().notNull(),
    traceparent: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('events_pull').on(t.tenantId, t.xid, t.seq)],
)

export const deliveries = sqliteTable(
  'deliveries',
  {
    id: text().primaryKey(),
    tenantId: text('tenant_id').notNull(),
    endpointId: text('endpoint_id').notNull(),
    eventId: text('event_id').notNull(),
    eventType: text('event_type').notNull(),
    jobId: text('job_id'),
    url: text().notNull(),
    status: text().$type<DeliveryStatus>().notNull(),
    /** On an endpoint that keeps the order of a key: that key, and the event's place. */
    orderKey: text('order_key'),
    orderSeq: integer('order_seq'),
    dueAt: integer('due_at').notNull(),
    attempts: integer().notNull(),
    claimNo: integer('claim_no').notNull(),
    workerId: text('worker_id'),
    claimedAt: integer('claimed_at'),
    claimedUntil: integer('claimed_until'),
    replays: integer().notNull(),
    lastStatus: integer('last_status'),
    lastErrorClass: text('last_error_class').$type<ErrorClass>(),
    lastError: text('last_error'),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    finishedAt: integer('finished_at'),
  },
  (t) => [
    index('deliveries_due').on(t.endpointId, t.dueAt, t.id).where(sql`status = 'pending'`),
    index('deliveries_order')
      .on(t.endpointId, t.orderKey, t.orderSeq)
      .where(sql`order_key is not null and finished_at is null`),
    index('deliveries_expiry').on(t.endpointId, t.expiresAt).where(sql`status = 'pending'`),
    index('deliveries_in_flight').on(t.endpointId).where(sql`status = 'delivering'`),
    index('deliveries_finished').on(t.finishedAt).where(sql`finished_at is not null`),
    index('deliveries_by_event').on(t.eventId),
    index('deliveries_by_tenant').on(t.tenantId, t.id),
    index('deliveries_by_job').on(t.jobId).where(sql`job_id is not null`),
  ],
)

export const attempts = sqliteTable(
  'attempts',
  {
    deliveryId: text('delivery_id').notNull(),
    /** Numbers the attempts of a delivery over all its replays. */
    claimNo: integer('claim_no').notNull(),
    /** The `webhook-attempt` it carried. */
    number: integer().notNull(),
    outcome: text().$type<AttemptOutcome>().notNull(),
    startedAt: integer('started_at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    /** JSON of Phases. */
    phases: text(),
    remoteAddress: text('remote_address'),
    /** JSON, without credentials. */
    requestHeaders: text('request_headers'),
    status: integer(),
    responseHeaders: text('response_headers'),
    responseBody: blob('response_body', { mode: 'buffer' }),
    responseTruncated: integer('response_truncated').notNull(),
    errorClass: text('error_class').$type<ErrorClass>(),
    error: text(),
    nextAttemptAt: integer('next_attempt_at'),
  },
  (t) => [primaryKey({ columns: [t.deliveryId, t.claimNo] })],
)

export const deadLetters = sqliteTable(
  'dead_letters',
  {
    id: text().primaryKey(),
    tenantId: text('tenant_id').notNull(),
    deliveryId: text('delivery_id').notNull(),
    eventId: text('event_id').notNull(),
    endpointId: text('endpoint_id').notNull(),
    reason: text().$type<DeadReason>().notNull(),
    lastStatus: integer('last_status'),
    errorClass: text('error_class').$type<ErrorClass>(),
    fingerprint: text().notNull(),
    attempts: integer().notNull(),
    firstAttemptAt: integer('first_attempt_at'),
    lastAttemptAt: integer('last_attempt_at'),
    diedAt: integer('died_at').notNull(),
    replayedAt: integer('replayed_at'),
    replayedBy: text('replayed_by'),
  },
  (t) => [index('dead_letters_by_tenant').on(t.tenantId, t.id), index('dead_letters_by_delivery').on(t.deliveryId)],
)

export const files = sqliteTable(
  'files',
  {
    id: text().primaryKey(),
    tenantId: text('tenant_id').notNull(),
    /** The job that made it and is erased with it; null for uploads. */
    jobId: text('job_id'),
    size: integer().notNull(),
    sha256: text().notNull(),
    contentType: text('content_type').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    index('files_by_job').on(t.jobId).where(sql`job_id is not null`),
    index('files_uploaded').on(t.createdAt).where(sql`job_id is null`),
  ],
)

export const auditLog = sqliteTable('audit_log', {
  id: text().primaryKey(),
  at: integer().notNull(),
  /** The API key that acted. */
  actor: text().notNull(),
  action: text().notNull(),
  target: text().notNull(),
  requestId: text('request_id').notNull(),
})

/** Processes that hold claims. A claim whose worker is not here is nobody's. */
export const workers = sqliteTable('workers', {
  id: text().primaryKey(),
  /** Counts its signs of life: whoever sees it stand still for too long takes the worker for dead. */
  beats: integer().notNull(),
  startedAt: integer('started_at').notNull(),
  /** The last sign of life, by the database's clock. */
  beatAt: integer('beat_at').notNull(),
  /** By how much its own clock was ahead of the database's then, in ms. */
  clockAheadMs: integer('clock_ahead_ms').notNull(),
})

/** Bulk replays: each is a place in the dead letters, and goes on from there after a restart. */
export const replays = sqliteTable(
  'replays',
  {
    id: text().primaryKey(),
    status: text().$type<ReplayStatus>().notNull(),
    /** JSON of DeadLetterFilter. */
    filter: text().notNull(),
    order: text('sequence').$type<ReplayOrder>().notNull(),
    ratePerS: real('rate_per_s'),
    rateTat: real('rate_tat'),
    /** The last dead letter that was looked at. */
    position: text(),
    /** Dead letters from after its creation are not its own. */
    diedBefore: integer('died_before').notNull(),
    total: integer().notNull(),
    done: integer().notNull(),
    failed: integer().notNull(),
    enable: integer().notNull(),
    actor: text().notNull(),
    requestId: text('request_id').notNull(),
    createdAt: integer('created_at').notNull(),
    finishedAt: integer('finished_at'),
  },
  (t) => [index('replays_running').on(t.status).where(sql`status = 'running'`)],
)

/** How attempts went, minute by minute, for an endpoint, a tenant (its id), and the platform (the empty scope). */
export const deliveryStats = sqliteTable(
  'delivery_stats',
  {
    scope: text().notNull(),
    /** Ms since 1970, of the minute's beginning. */
    minute: integer().notNull(),
    outcome: text().$type<StatOutcome>().notNull(),
    /** Of the duration; see core/histogram.ts. */
    bucket: integer().notNull(),
    count: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.scope, t.minute, t.outcome, t.bucket] }),
    index('delivery_stats_minute').on(t.minute),
  ],
)
