import type { Database } from 'better-sqlite3'
import type { Job } from '../../core/job.ts'
import { callbackDeliveryRow, callbackEventRow, impliedEndpointRow } from '../new-rows.ts'
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
  // Who had no answer tells the same again: it is told once.
  const insertEvent = db.prepare(`${insertInto(events, ['seq', 'xid'])} ON CONFLICT (id) DO NOTHING`)
  const insertDelivery = db.prepare(`${insertInto(deliveries)} ON CONFLICT (id) DO NOTHING`)
  findEndpoint.pluck()
  return {
    endpointOf(job) {
      if (job.callback === null) return null
      const { origin, newEndpointId } = job.callback
      const known = findEndpoint.get(job.tenantId, origin)
      if (known !== undefined) return known
      insertEndpoint.run(impliedEndpointRow(job, job.callback))
      return newEndpointId
    },
    add(job, callback) {
      insertEvent.run(callbackEventRow(job, callback))
      insertDelivery.run(callbackDeliveryRow(job, callback))
    },
  }
}
