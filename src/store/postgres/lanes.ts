import { LANE_COLUMNS } from '../lane-columns.ts'
import type { Endpoint } from '../store.ts'
import type { Connection } from './database.ts'
import { rowsOf, selectList, updateRows } from './rows.ts'
import { endpoints } from './schema.ts'
import { statement } from './statement.ts'

const lock = statement(
  `SELECT ${selectList(endpoints)} FROM endpoints WHERE id = ANY (@ids) ORDER BY id FOR NO KEY UPDATE`,
)
const save = statement(updateRows(endpoints, LANE_COLUMNS))

/** Endpoints with their lanes, held until the end of the transaction; in order, so that two groups wait for each other. */
export async function lockEndpoints(tx: Connection, ids: readonly string[]): Promise<Map<string, Endpoint>> {
  return new Map((await tx.rows<Endpoint>(lock({ ids }))).map((endpoint) => [endpoint.id, endpoint]))
}

/** Writes what lanes have learned. */
export async function saveLanes(tx: Connection, lanes: readonly Endpoint[]): Promise<void> {
  await tx.changes(save({ rows: rowsOf(endpoints, lanes) }))
}
