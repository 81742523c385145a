import type { Job } from '../../core/job.ts'
import { callbackDeliveryRow, callbackEventRow, impliedEndpointRow } from '../new-rows.ts'
import type { NewCallback, NewJob } from '../store.ts'
import type { Connection } from './database.ts'
import { insertRows, recordsOf, rowsOf } from './rows.ts'
import { deliveries, endpoints, events } from './schema.ts'
import { statement } from './statement.ts'

const addEndpoints = statement(
  `${insertRows(endpoints)} ORDER BY tenant_id, origin ON CONFLICT (tenant_id, origin) DO NOTHING`,
)
const findEndpoints = statement(
  `SELECT e.id, e.tenant_id AS "tenantId", e.origin FROM json_to_recordset(@wanted) AS w (tenant_id text, origin text)
    JOIN endpoints e ON e.tenant_id = w.tenant_id AND e.origin = w.origin`,
)
// Who had no answer tells the same again: it is told once.
const addEvents = statement(`${insertRows(events, ['seq', 'xid'])} ON CONFLICT (id) DO NOTHING`)
const addDeliveries = statement(`${insertRows(deliveries)} ON CONFLICT (id) DO NOTHING`)

/** Bounds the memory for endpoints that are known to be there. */
const MAX_KNOWN = 100_000

/** The endpoint of each new job by `laneKey`, for those that have a callback. */
type FindEndpoints = (tx: Connection, jobs: readonly NewJob[]) => Promise<(job: NewJob) => string | null>

/** Finds the implied endpoints of new jobs, and makes those that are not there. They are never removed, so they are remembered. */
export function endpointFinder(): FindEndpoints {
  const known = new Map<string, string>()
  return async (tx, jobs) => {
    const missing = jobs.flatMap((job) =>
      job.callback === null || known.has(laneKey(job)) ? [] : [impliedEndpointRow(job, job.callback)],
    )
    const found = new Map<string, string>()
    if (missing.length > 0) {
      await tx.changes(addEndpoints({ rows: rowsOf(endpoints, missing) }))
      const wanted = recordsOf(missing.map(({ tenantId, origin }) => ({ tenant_id: tenantId, origin })))
      const rows = await tx.rows<{ id: string; tenantId: string; origin: string }>(findEndpoints({ wanted }))
      // What this transaction made may be rolled back: it is remembered when it is met again.
      const made = new Set(missing.map(({ id }) => id))
      if (known.size > MAX_KNOWN) known.clear()
      for (const { id, tenantId, origin } of rows) (made.has(id) ? found : known).set(`${tenantId} ${origin}`, id)
    }
    return (job) => (job.callback === null ? null : (known.get(laneKey(job)) ?? found.get(laneKey(job)) ?? null))
  }
}

function laneKey(job: NewJob): string {
  return `${job.tenantId} ${job.callback?.origin}`
}

/** Events about jobs, and their deliveries to the jobs' callbacks. */
export async function addCallbacks(
  tx: Connection,
  callbacks: readonly { job: Job; callback: NewCallback | null }[],
): Promise<void> {
  const given = callbacks.flatMap(({ job, callback }) => (callback === null ? [] : [{ job, callback }]))
  if (given.length === 0) return
  const eventRows = given.map(({ job, callback }) => callbackEventRow(job, callback))
  const deliveryRows = given.map(({ job, callback }) => callbackDeliveryRow(job, callback))
  await Promise.all([
    tx.changes(addEvents({ rows: rowsOf(events, eventRows) })),
    tx.changes(addDeliveries({ rows: rowsOf(deliveries, deliveryRows) })),
  ])
}
