import type { Database as Connection } from 'better-sqlite3'
import { getTableColumns, getTableName, is } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import * as schema from '../store/postgres/schema.ts'

/** All that are copied: the processes are those of the source. */
export const TABLES = Object.values(schema).filter(
  (table) => is(table, PgTable) && table !== schema.workers,
) as PgTable[]

/** One statement takes so many rows, or so many characters, whichever comes first. */
const CHUNK_ROWS = 1000
const CHUNK_LENGTH = 8 * 1024 * 1024

type Row = Record<string, unknown>

/** The columns of a table's primary key, quoted. */
export function keyOf(source: Connection, table: string): string[] {
  const columns = source.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').pluck().all(table)
  return (columns as string[]).map((name) => `"${name}"`)
}

/** All rows of a table in chunks, in the order of its key, under the names of its columns. */
export function* chunksOf(source: Connection, table: PgTable): Generator<Row[]> {
  const columns = Object.values(getTableColumns(table)).map((column) => `"${column.name}"`)
  const name = getTableName(table)
  const rows = source.prepare<[], Row>(`SELECT ${columns} FROM ${name} ORDER BY ${keyOf(source, name)}`)
  let chunk: Row[] = []
  let length = 0
  for (const row of rows.iterate()) {
    chunk.push(row)
    length += lengthOf(row)
    if (chunk.length < CHUNK_ROWS && length < CHUNK_LENGTH) continue
    yield chunk
    chunk = []
    length = 0
  }
  if (chunk.length > 0) yield chunk
}

function lengthOf(row: Row): number {
  const lengths = Object.values(row).map((value) => (value as { length?: number } | null)?.length ?? 0)
  return lengths.reduce((sum, length) => sum + length, 0)
}
