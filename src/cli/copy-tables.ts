import type { Database as Connection } from 'better-sqlite3'
import type pg from 'pg'
import { insertRows, recordsOf } from '../store/postgres/rows.ts'
import { statement } from '../store/postgres/statement.ts'
import { chunksOf, TABLES } from './tables.ts'

/** Copies what is not there yet, in the order of keys. A chunk is one statement, so there or not as a whole. */
export async function copyTables(source: Connection, target: pg.Client): Promise<void> {
  for (const table of TABLES) {
    const insert = statement(`${insertRows(table)} ON CONFLICT DO NOTHING`)
    for (const chunk of chunksOf(source, table)) await target.query(insert({ rows: recordsOf(chunk) }))
  }
}

/** Numbers that are given out go on where the source has stopped, whether rows with the last ones are still there or not. */
export async function setSequences(source: Connection, target: pg.Client): Promise<void> {
  const { rows } = await target.query<{ table: string; column: string }>(
    `SELECT table_name AS table, column_name AS column FROM information_schema.columns
      WHERE table_schema = current_schema() AND is_identity = 'YES'`,
  )
  const last = source.prepare<[string], number>('SELECT seq FROM sqlite_sequence WHERE name = ?').pluck()
  const advance = `SELECT setval(s, greatest($3, pg_sequence_last_value(s)))
    FROM (SELECT pg_get_serial_sequence($1, $2)::regclass AS s) AS sequence`
  for (const { table, column } of rows) {
    const seq = last.get(table) ?? 0
    if (seq > 0) await target.query(advance, [table, column, seq])
  }
}
