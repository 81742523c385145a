import { sql } from 'drizzle-orm'
import { bigint, doublePrecision, index, integer, pgTable, primaryKey, uniqueIndex } from 'drizzle-orm/pg-core'
import type { DeadReason, DeliveryStatus, ErrorClass } from '../../core/delivery.ts'
import type { DisableReason } from '../../core/lane.ts'
import type { AttemptOutcome, EndpointKind, Ordering, ReplayOrder, ReplayStatus, StatOutcome } from '../store.ts'
import { bytes, long, text } from './columns.ts'

export const endpoints = pgTable(
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
    pausedUntil: long('paused_until'),
    disabledAt: long('disabled_at'),
    disabledReason: text('disabled_reason').$type<DisableReason>(),
    enabledAt: long('enabled_at'),
    rateLimitPerS: doublePrecision('rate_limit_per_s'),
    rateTat: doublePrecision('rate_tat'),
    silentAttempts: integer('silent_attempts').notNull().default(0),
    silentSince: long('silent_since'),
    probeAt: long('probe_at'),
    probeWaitMs: long('probe_wait_ms'),
    failures: integer().notNull().default(0),
    failingSince: long('failing_since'),
    lastSuccessAt: long('last_success_at'),
    backlogToldAt: long('backlog_told_at'),
    deletedAt: long('deleted_at'),
    createdAt: long('created_at').notNull(),
    updatedAt: long('updated_at'),
  },
  (t) => [
    uniqueIndex('endpoints_by_origin').on(t.tenantId, t.origin),
    index('endpoints_registered').on(t.tenantId, t.id).where(sql`kind = 'registered'`),
    index('endpoints_backlog').on(t.id).where(sql`backlog_told_at is not null`),
    index('endpoints_deleted').on(t.deletedAt).where(sql`deleted_at is not null`),
  ],
)

export const events = pgTable(
  'events',
  {
    seq: bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    /** The transaction that wrote it, where several write at once: with seq, the order in which events are pulled. */
    xid: long().notNull().default(sql`(pg_current_xact_id()::text)::bigint`),
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
    createdAt: long('created_at').notNull(),
  },
  (t) => [index('events_pull').on(t.tenantId, t.xid, t.seq)],
)

export const deliveries = pgTable(
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
    orderSeq: long('order_seq'),
    dueAt: long('due_at').notNull(),
    attempts: integer().notNull(),
    claimNo: integer('claim_no').notNull(),
    workerId: text('worker_id'),
    claimedAt: long('claimed_at'),
    claimedUntil: long('claimed_until'),
    replays: integer().notNull(),
    lastStatus: integer('last_status'),
    lastErrorClass: text('last_error_class').$type<ErrorClass>(),
    lastError: text('last_error'),
    createdAt: long('created_at').notNull(),
    expiresAt: long('expires_at').notNull(),
    finishedAt: long('finished_at'),
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

export const attempts = pgTable(
  'attempts',
  {
    deliveryId: text('delivery_id').notNull(),
    /** Numbers the attempts of a delivery over all its replays. */
    claimNo: integer('claim_no').notNull(),
    /** The `webhook-attempt` it carried. */
    number: integer().notNull(),
    outcome: text().$type<AttemptOutcome>().notNull(),
    startedAt: long('started_at').notNull(),
    durationMs: long('duration_ms').notNull(),
    /** JSON of Phases. */
    phases: text(),
    remoteAddress: text('remote_address'),
    /** JSON, without credentials. */
    requestHeaders: text('request_headers'),
    status: integer(),
    responseHeaders: text('response_headers'),
    responseBody: bytes('response_body'),
    responseTruncated: integer('response_truncated').notNull(),
    errorClass: text('error_class').$type<ErrorClass>(),
    error: text(),
    nextAttemptAt: long('next_attempt_at'),
  },
  (t) => [primaryKey({ columns: [t.deliveryId, t.claimNo] })],
)

export const deadLetters = pgTable(
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
    firstAttemptAt: long('first_attempt_at'),
    lastAttemptAt: long('last_attempt_at'),
    diedAt: long('died_at').notNull(),
    replayedAt: long('replayed_at'),
    replayedBy: text('replayed_by'),
  },
  (t) => [
    index('dead_letters_by_tenant').on(t.tenantId, t.id),
    index('dead_letters_by_endpoint').on(t.endpointId, t.id),
    index('dead_letters_by_delivery').on(t.deliveryId),
    // All that the groups are made of, in their order.
    index('dead_letters_groups')
      .on(t.fingerprint, t.endpointId, t.tenantId, t.reason, t.id, t.diedAt)
      .where(sql`replayed_at is null`),
  ],
)

/** Bulk replays: each is a place in the dead letters, and goes on from there after a restart. */
export const replays = pgTable(
  'replays',
  {
    id: text().primaryKey(),
    status: text().$type<ReplayStatus>().notNull(),
    /** JSON of DeadLetterFilter. */
    filter: text().notNull(),
    order: text('sequence').$type<ReplayOrder>().notNull(),
    ratePerS: doublePrecision('rate_per_s'),
    rateTat: doublePrecision('rate_tat'),
    /** The last dead letter that was looked at. */
    position: text(),
    /** Dead letters from after its creation are not its own. */
    diedBefore: long('died_before').notNull(),
    total: integer().notNull(),
    done: integer().notNull(),
    failed: integer().notNull(),
    enable: integer().notNull(),
    actor: text().notNull(),
    requestId: text('request_id').notNull(),
    createdAt: long('created_at').notNull(),
    finishedAt: long('finished_at'),
  },
  (t) => [index('replays_running').on(t.status).where(sql`status = 'running'`)],
)

/** How attempts went, minute by minute, for an endpoint, a tenant (its id), and the platform (the empty scope). */
export const deliveryStats = pgTable(
  'delivery_stats',
  {
    scope: text().notNull(),
    /** Ms since 1970, of the minute's beginning. */
    minute: long().notNull(),
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
