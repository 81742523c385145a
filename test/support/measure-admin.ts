// How long statistics and lists take with a million rows each: node test/support/measure-admin.ts sqlite|postgres [endpoints]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Database from 'better-sqlite3'
import pg from 'pg'
import { readConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { type Service, startService } from '../../src/service.ts'
import { startPostgresServer } from './postgres-server.ts'

const DELIVERIES = 1_000_000
const JOBS = 1_000_000
const TENANTS = 10
const CALLS = 10
const [, , engine = 'sqlite', endpointCount = '1000'] = process.argv
const ENDPOINTS = Number(endpointCount)
const API_KEY = 'measure-client-key-0123456789abcdefghij'
const ADMIN_KEY = 'measure-admin-key-0123456789abcdefghijk'

const folder = await mkdtemp(join(tmpdir(), 'posthorn-measure-'))
const server = engine === 'postgres' ? await startPostgresServer({ durable: true }) : null
const url = server === null ? `file:${folder}/posthorn.db` : await server.createDatabase()

function start(): Promise<Service> {
  const { config, secrets } = readConfig({
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: url,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_ENCRYPTION_KEYS: `measure:${Buffer.alloc(32, 7).toString('base64')}`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_LOG: 'silent',
    // Nothing of it is done.
    POSTHORN_ROLES: 'api',
  })
  return startService({ config, secrets, log: createLog(config.logLevel, false), showFirstRun: () => {} })
}

const now = Date.now()
const minute = Math.floor(now / 60_000) * 60_000
/** A third waits, and half of that for one endpoint; one in 20 endpoints is disabled, one in 20 has an open breaker. */
const fill = [
  `INSERT INTO endpoints (id, tenant_id, kind, url, event_types, concurrency, max_concurrency, disabled_at, probe_at, created_at)
    SELECT 'ep_' || i, CASE WHEN i % ${TENANTS} = 0 THEN (SELECT id FROM tenants) ELSE 'ten_' || (i % ${TENANTS}) END,
      'registered', 'http://127.0.0.1:18080/', '[]', 4, 64, CASE WHEN i % 20 = 1 THEN ${now} END,
      CASE WHEN i % 20 = 3 THEN ${now} END, ${now} FROM g(${ENDPOINTS})`,
  `INSERT INTO deliveries (id, tenant_id, endpoint_id, event_id, event_type, url, status, due_at, attempts, claim_no,
      replays, created_at, expires_at, finished_at)
    SELECT 'dlv_' || i, 'ten_x', 'ep_' || CASE WHEN i % 6 = 0 THEN 0 ELSE i % ${ENDPOINTS} END, 'evt_' || i, 'a.b',
      'http://127.0.0.1:18080/', CASE WHEN i % 3 = 0 THEN 'pending' WHEN i % 50 = 1 THEN 'dead' ELSE 'delivered' END,
      ${now} - i, 1, 1, 0, ${now}, ${now} + 1000000000, CASE WHEN i % 3 = 0 THEN NULL ELSE ${now} END FROM g(${DELIVERIES})`,
  `INSERT INTO jobs (id, tenant_id, type, status, queue, priority, payload, callback_events, traceparent, created_at,
      run_at, due_at, timeout_ms, max_attempts, attempt, lost_runs, claim_no, progress, version)
    SELECT 'job_' || i, CASE WHEN i % 2 = 0 THEN (SELECT id FROM tenants) ELSE 'ten_1' END, 'type.' || (i % 20),
      'pending', 'ready', i % 10, '{}', '', '', ${now}, ${now}, ${now} - i, 1000, 1, 0, 0, 0, 0, 0 FROM g(${JOBS})`,
  `INSERT INTO dead_letters (id, tenant_id, delivery_id, event_id, endpoint_id, reason, last_status, error_class,
      fingerprint, attempts, died_at, replayed_at)
    SELECT 'dead_' || i, 'ten_' || (i % ${TENANTS}), 'dlv_' || i, 'evt_' || i, 'ep_' || (i % ${ENDPOINTS}), 'exhausted',
      500, 'http_status', 'print_' || (i % 7), 10, ${now} - i, CASE WHEN i % 4 = 0 THEN ${now} END FROM g(${DELIVERIES})`,
  `INSERT INTO audit_log (id, at, actor, action, target, request_id)
    SELECT 'aud_' || i, ${now} - i, 'key_' || (i % 9), 'delivery.replay', 'dlv_' || i, 'req_' || i FROM g(${DELIVERIES})`,
  // A day of each, with 20 pairs of outcome and bucket a minute.
  ...["''", '(SELECT id FROM tenants)', ...Array.from({ length: 20 }, (_, i) => `'ep_${i}'`)].map(
    (scope) => `INSERT INTO delivery_stats (scope, minute, outcome, bucket, count)
      SELECT ${scope}, ${minute} - 60000 * (i / 20), CASE WHEN i % 20 < 15 THEN 'delivered' ELSE 'failed' END,
        i % 20 + 5, 7 FROM g(${1440 * 20})`,
  ),
]

async function fillDatabase(): Promise<void> {
  if (server === null) {
    const db = new Database(url.slice('file:'.length))
    db.pragma('synchronous = OFF')
    for (const sql of fill) {
      const generated = sql.replace(
        /g\((\d+)\)/,
        '(WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < $1 - 1) SELECT i FROM g)',
      )
      db.exec(generated)
    }
    db.close()
    return
  }
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const sql of fill) await client.query(sql.replace(/g\((\d+)\)/, 'generate_series(0, $1 - 1) AS g(i)'))
  await client.end()
}

await (await start()).stop()
const filling = performance.now()
await fillDatabase()
console.log(
  `${engine}: ${DELIVERIES} deliveries, ${ENDPOINTS} endpoints, filled in ${Math.round(performance.now() - filling)} ms`,
)
const service = await start()
const LISTS = [
  ...['', '?tenant_id=ten_none', '?endpoint_id=ep_7', '?endpoint_id=ep_none', '?event_id=evt_5', '?job_id=job_none'],
  ...['?status=pending', '?status=held', '?status=delivering', '?status=dead', '?event_type=none', '?reason=gone'],
]
  .map((query) => `/v1/admin/deliveries${query}`)
  .concat(['', '?tenant_id=ten_none', '?status=failed', '?type=none'].map((query) => `/v1/admin/jobs${query}`))
  .concat(
    ['', '?endpoint_id=ep_7', '?endpoint_id=ep_none', '?reason=gone', '?fingerprint=none', '?tenant_id=ten_1'].flatMap(
      (query) => [`/v1/admin/dead-letters${query}`, `/v1/admin/dead-letters/groups${query}`],
    ),
  )
  .concat(['', '?actor=key_none', '?target=dlv_9', '?action=none'].map((query) => `/v1/admin/audit${query}`))
const delay = monitorEventLoopDelay({ resolution: 1 })
const tenant = 'tenant_id=ten_1'
for (const [path, key] of [
  ['/v1/admin/stats', ADMIN_KEY],
  ['/v1/admin/stats?minutes=1440', ADMIN_KEY],
  [`/v1/admin/stats?${tenant}`, ADMIN_KEY],
  ['/v1/admin/stats?endpoint_id=ep_0', ADMIN_KEY],
  ['/v1/endpoints/ep_0/stats', API_KEY],
  ['/v1/endpoints/ep_0/stats?minutes=1440', API_KEY],
  ...LISTS.map((path) => [path, ADMIN_KEY] as const),
] as const) {
  const times: number[] = []
  let body = ''
  delay.reset()
  delay.enable()
  for (let call = 0; call < CALLS; call++) {
    const began = performance.now()
    const response = await fetch(`http://127.0.0.1:${service.port}${path}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    body = await response.text()
    times.push(performance.now() - began)
    if (response.status !== 200) throw new Error(`${path}: ${body}`)
    // Below the limit of polls.
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  delay.disable()
  times.sort((a, b) => a - b)
  const [p50, max] = [times[CALLS / 2], times.at(-1)].map((ms) => ms?.toFixed(1))
  const { queue, lane, totals, data } = JSON.parse(body)
  console.log(`${path}: p50 ${p50} ms, max ${max} ms; loop at most ${(delay.max / 1e6).toFixed(1)} ms`)
  console.log('  ', data === undefined ? JSON.stringify({ totals, queue, lane }) : `${data.length} rows`)
}
await service.stop()
await server?.[Symbol.asyncDispose]()
await rm(folder, { recursive: true, force: true })
