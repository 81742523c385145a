import type { Logger } from 'pino'
import type { Decision, Outcome, Phases } from './core/delivery.ts'
import type { Job, JobProblem } from './core/job.ts'
import { StoreUnavailableError } from './errors.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { BulkReplay, ClaimedDelivery } from './store/store.ts'

/** What happens in the business, one function each, with one wide log line and its counters. Bodies and secrets never go in. */
export interface BusinessEvents {
  jobAccepted(job: Job): void
  jobRunEnded(job: Job, run: { outcome: string; durationMs: number; problem: JobProblem | null }): void
  jobCancelled(job: Job): void
  attemptEnded(attempt: {
    delivery: ClaimedDelivery
    outcome: Outcome
    decision: Decision
    phases: Phases
    remoteAddress: string | null
    /** Since the event was made. */
    latencyMs: number
  }): void
  /** Without an attempt: their time was over, or their endpoint is gone. */
  deliveriesGivenUp(reason: 'expired' | 'endpoint_deleted', count: number): void
  /** The attempt's result came too late: somebody else has the delivery. */
  attemptSuperseded(delivery: ClaimedDelivery): void
  deliveryReplayed(replay: { deliveryId: string; by: string; role: string; requestId: string }): void
  bulkReplayChanged(replay: BulkReplay, change: { action: string; by: string; requestId: string }): void
  bulkReplayDone(replay: BulkReplay): void
  lostWorkFound(found: { jobs: number; deliveries: number }): void
  /** So many rows are sealed with the first encryption key now. */
  secretsResealed(rows: number): void
  /** A background task or a write failed and is going to be tried again. */
  taskFailed(task: string, error: unknown): void
}

/** While the storage is away, every task fails again and again: each is told of this often. */
const REPEATED_FAILURE_MS = 10_000
const MAX_TOLD = 1000

export function businessEvents(log: Logger, metrics: Metrics = createMetrics()): BusinessEvents {
  return {
    jobAccepted: (job) => {
      metrics.jobsAccepted.inc({ type: job.type })
      log.info({ event: 'job.accepted', ...about(job) }, 'job accepted')
    },
    jobRunEnded: (job, { outcome, durationMs, problem }) => {
      metrics.jobRuns.inc({ type: job.type, outcome })
      metrics.jobRunSeconds.observe({ type: job.type }, durationMs / 1000)
      log.info(
        {
          event: 'job.run',
          ...about(job),
          attempt: job.attempt,
          max_attempts: job.maxAttempts,
          outcome,
          duration_ms: durationMs,
          ...(problem && { error_code: problem.code, error: problem.detail }),
        },
        `job run ${outcome}`,
      )
    },
    jobCancelled: (job) => log.info({ event: 'job.cancelled', ...about(job) }, 'job cancelled'),
    attemptEnded: ({ delivery, outcome, decision, phases, remoteAddress, latencyMs }) => {
      const error = decision.next === 'delivered' ? 'none' : decision.errorClass
      metrics.attempts.inc({ outcome: decision.next, error })
      metrics.attemptSeconds.observe({ outcome: decision.next }, phases.total / 1000)
      if (decision.next === 'delivered' && delivery.replays === 0) metrics.deliverySeconds.observe(latencyMs / 1000)
      if (decision.next === 'dead') metrics.deadLetters.inc({ reason: decision.reason })
      log.info(
        {
          event: 'delivery.attempt',
          ...aboutDelivery(delivery),
          attempt: delivery.attempts,
          replays: delivery.replays,
          outcome: decision.next,
          ...(outcome.kind === 'answer'
            ? { status: outcome.status, note: outcome.note ?? undefined }
            : { error_class: outcome.class, error: outcome.text }),
          ...(decision.next === 'dead' && { dead_reason: decision.reason }),
          ...(decision.next === 'retry' && { next_attempt_at: new Date(decision.dueAt).toISOString() }),
          phases_ms: phases,
          remote_address: remoteAddress,
        },
        `delivery attempt: ${decision.next}`,
      )
    },
    deliveriesGivenUp: (reason, count) => {
      if (count === 0) return
      metrics.deadLetters.inc({ reason }, count)
      log.warn({ event: 'delivery.given_up', dead_reason: reason, deliveries: count }, 'gave up without an attempt')
    },
    attemptSuperseded: (delivery) =>
      log.warn({ event: 'delivery.superseded', ...aboutDelivery(delivery) }, 'attempt ended after its claim was lost'),
    deliveryReplayed: ({ deliveryId, by, role, requestId }) => {
      metrics.replays.inc({ role })
      log.info(
        { event: 'delivery.replayed', delivery_id: deliveryId, by, role, request_id: requestId },
        'delivery replayed',
      )
    },
    bulkReplayChanged: (replay, { action, by, requestId }) =>
      log.info(
        { event: 'replay.changed', ...aboutReplay(replay), action, by, request_id: requestId },
        `bulk replay: ${action}`,
      ),
    bulkReplayDone: (replay) => log.info({ event: 'replay.done', ...aboutReplay(replay) }, 'bulk replay done'),
    secretsResealed: (rows) => log.info({ event: 'secrets.resealed', rows }, 'sealed secrets with the first key'),
    lostWorkFound: (found) => {
      for (const [kind, count] of Object.entries(found)) metrics.lostWork.inc({ kind }, count)
      log.warn({ event: 'work.recovered', ...found }, 'took back the work of a process that is gone')
    },
    taskFailed: failureTeller(log, metrics),
  }
}

function failureTeller(log: Logger, metrics: Metrics): BusinessEvents['taskFailed'] {
  const toldAt = new Map<string, number>()
  return (task, error) => {
    metrics.failedTasks.inc({ task: task.replace(/ (job|dlv)_\w+$/, '') })
    // A full disk is told by its name; a stack for each refused request would help it stay full.
    const known = error instanceof StoreUnavailableError
    if (known) {
      const now = performance.now()
      if (now - (toldAt.get(task) ?? Number.NEGATIVE_INFINITY) < REPEATED_FAILURE_MS) return
      if (toldAt.size > MAX_TOLD) toldAt.clear()
      toldAt.set(task, now)
    }
    log.error({ event: 'task.failed', task, ...(known ? { error: error.message } : { err: error }) }, `${task} failed`)
  }
}

function about(job: Job) {
  return { job_id: job.id, tenant_id: job.tenantId, type: job.type, trace: job.traceparent }
}

function aboutDelivery(delivery: ClaimedDelivery) {
  return {
    delivery_id: delivery.id,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    job_id: delivery.jobId,
    tenant_id: delivery.tenantId,
    endpoint_id: delivery.endpointId,
    trace: delivery.traceparent,
  }
}

function aboutReplay({ id, status, total, done, failed }: BulkReplay) {
  return { replay_id: id, status, total, done, failed }
}
