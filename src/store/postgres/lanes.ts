import type { Endpoint } from '../store.ts'
import type { Connection } from './database.ts'
import { rowsOf, selectList } from './rows.ts'
import { endpoints } from './schema.ts'
import { statement } from './statement.ts'

const lock = statement(
  `SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ANY (@ids) ORDER BY id FOR NO KEY UPDATE`,
)
const LANE_COLUMNS = [
  'concurrency',
  'paused_until',
  'disabled_at',
  'disabled_reason',
  'silent_attempts',
  'silent_since',
  'probe_at',
  'probe_wait_ms',
  'failures',
  'failing_since',
  'last_success_at',
]
const save = statement(
  `UPDATE endpoints SET ${LANE_COLUMNS.map((name) => `${name} = l.${name}`).join(', ')}
    FROM json_populate_recordset(NULL::endpoints, @rows) AS l WHERE endpoints.id = l.id`,
)

/** Endpoints with their lanes, held until the end of the transaction; in order, so that two groups wait for each other. */
export async function lockEndpoints(tx: Connection, ids: readonly string[]): Promise<Map<string, Endpoint>> {
  return new Map((await tx.rows<Endpoint>(lock({ ids }))).map((endpoint) => [endpoint.id, endpoint]))
}

/** Writes what lanes have learned. */
export async function saveLanes(tx: Connection, lanes: readonly Endpoint[]): Promise<void> {
  await tx.changes(save({ rows: rowsOf(endpoints, lanes) }))
}
