// Rows that are in the tables before a run. Their ids have `fill` in them, which no id of the service has.

/** `… FROM <series>` gives i from 0 to count - 1. */
export type Series = (count: number) => string

/** Statements for either database. @param now Ms since 1970 */
export type Fill = (series: Series, now: number) => string[]

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const TENANT = '(SELECT id FROM tenants)'
const BODY = `'{"type":"job.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"order":"A-1042","amount":129900}}'`
const TRACE = "'00-0123456789abcdef0123456789abcdef-0123456789abcdef-01'"
const ENDPOINTS = 100

/** Deliveries that wait for a retry in an hour or later, and jobs whose results are still kept. */
export function backlog({ waiting, finished }: { waiting: number; finished: number }): Fill {
  return (series, now) => [
    ...deliveries({ count: waiting, dueAt: `${now + HOUR_MS} + i`, url: 'http://127.0.0.1:9/hooks/', series, now }),
    `INSERT INTO jobs (id, tenant_id, type, status, priority, payload, callback_events, traceparent, created_at, run_at,
        due_at, timeout_ms, max_attempts, attempt, lost_runs, claim_no, progress, started_at, finished_at, result,
        expiry_due_at, version)
      SELECT 'job_fill_' || i, ${TENANT}, 'echo', 'completed', 5, '{"order":"A-1042"}', '', ${TRACE}, ${now - DAY_MS} + i,
        ${now - DAY_MS} + i, ${now - DAY_MS} + i, 60000, 3, 1, 0, 1, 100, ${now - DAY_MS} + i, ${now - DAY_MS} + i,
        '{"order":"A-1042"}', ${now + DAY_MS} + i, 3 FROM ${series(finished)}`,
  ]
}

/** Deliveries that are due since a while. Of `filledId`. */
export function dueDeliveries(count: number, receiverPort: number): Fill {
  const url = `http://127.0.0.1:${receiverPort}/hooks/`
  return (series, now) => deliveries({ count, dueAt: `${now - HOUR_MS} + i`, url, series, now })
}

/** The webhook-id of a delivery that was filled in. */
export function filledId(index: number): string {
  return `evt_fill_${index}`
}

interface Deliveries {
  count: number
  dueAt: string
  /** Followed by the number of the endpoint. */
  url: string
  series: Series
  now: number
}

function deliveries({ count, dueAt, url, series, now }: Deliveries): string[] {
  const createdAt = now - HOUR_MS
  return [
    `INSERT INTO endpoints (id, tenant_id, kind, url, concurrency, max_concurrency, created_at)
      SELECT 'ep_fill_' || i, ${TENANT}, 'registered', '${url}' || i, 4, 64, ${createdAt} FROM ${series(ENDPOINTS)}`,
    `INSERT INTO events (id, tenant_id, type, body, traceparent, created_at)
      SELECT 'evt_fill_' || i, ${TENANT}, 'job.completed', ${BODY}, ${TRACE}, ${createdAt} FROM ${series(count)}`,
    `INSERT INTO deliveries (id, tenant_id, endpoint_id, event_id, event_type, url, status, due_at, attempts, claim_no,
        replays, created_at, expires_at)
      SELECT 'dlv_fill_' || i, ${TENANT}, 'ep_fill_' || (i % ${ENDPOINTS}), 'evt_fill_' || i, 'job.completed', '${url}',
        'pending', ${dueAt}, 1, 1, 0, ${createdAt}, ${now + 7 * DAY_MS} FROM ${series(count)}`,
  ]
}
