import type { Database } from 'better-sqlite3'
import type { Job } from '../../core/job.ts'
import { DEFAULT_MAX_CONCURRENCY, INITIAL_CONCURRENCY } from '../../core/lane.ts'
import type { NewCallback, NewJob } from '../store.ts'
import { deliveries, endpoints, events } from './schema.ts'
import { insertInto } from './statements.ts'

/** The parts of a job's transaction that concern its callback. To be called inside one. */
export interface CallbackWriter {
  /** The implied endpoint of a new job, made when it is not there; null when there is no callback. */
  endpointOf(job: NewJob): string | null
  /** The event and its delivery. */
  add(job: Job, callback: NewCallback): void
}

export function callbackWriter(db: Database): CallbackWriter {
  const findEndpoint = db.prepare<[string, string], string>(
    'SELECT id FROM endpoints WHERE tenant_id = ? AND origin = ?',
  )
  const insertEndpoint = db.prepare(insertInto(endpoints))
  const insertEvent = db.prepare(insertInto(events, ['seq']))
  const insertDelivery = db.prepare(insertInto(deliveries))
  findEndpoint.pluck()
  return {
    endpointOf(job) {
      if (job.callback === null) return null
      const { origin, newEndpointId } = job.callback
      const known = findEndpoint.get(job.tenantId, origin)
      if (known !== undefined) return known
      insertEndpoint.run({
        id: newEndpointId,
        tenantId: job.tenantId,
        kind: 'implied',
        origin,
        concurrency: INITIAL_CONCURRENCY,
        maxConcurrency: DEFAULT_MAX_CONCURRENCY,
        pausedUntil: null,
        disabledAt: null,
        createdAt: job.createdAt,
      })
      return newEndpointId
    },
    add(job, callback) {
      const about = { tenantId: job.tenantId, jobId: job.id, createdAt: callback.createdAt }
      insertEvent.run({
        ...about,
        id: callback.eventId,
        type: callback.type,
        body: callback.body,
        traceparent: job.traceparent,
      })
      insertDelivery.run({
        ...about,
        id: callback.deliveryId,
        endpointId: job.endpointId,
        eventId: callback.eventId,
        eventType: callback.type,
        url: job.callbackUrl,
        status: 'pending',
        dueAt: callback.createdAt,
        attempts: 0,
        claimNo: 0,
        workerId: null,
        claimedAt: null,
        claimedUntil: null,
        replays: 0,
        lastStatus: null,
        lastErrorClass: null,
        lastError: null,
        expiresAt: callback.expiresAt,
        finishedAt: null,
      })
    },
  }
}
