import { getTableColumns, getTableName, type SQL } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'

/** The select list that gives a table's rows under the names they have in TypeScript. */
export function selectList(table: PgTable, alias?: string): string {
  const prefix = alias ? `${alias}.` : ''
  return Object.entries(getTableColumns(table))
    .map(([key, column]) => `${prefix}"${column.name}" AS "${key}"`)
    .join(', ')
}

/** `INSERT INTO … SELECT` of many rows from one parameter, which `rowsOf` makes, in their order. */
export function insertRows(table: PgTable, omit: readonly string[] = []): string {
  const columns = Object.entries(getTableColumns(table)).filter(([key]) => !omit.includes(key))
  const names = columns.map(([, column]) => `"${column.name}"`).join(', ')
  const name = getTableName(table)
  return `INSERT INTO ${name} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${name}, @rows)`
}

/** `UPDATE … SET` of the rows with the same ids, from one parameter, which `rowsOf` makes: `given`. @param keys All but the id */
export function updateRows(table: PgTable, keys?: readonly string[]): string {
  const name = getTableName(table)
  const columns = Object.entries(getTableColumns(table)).filter(([key]) => keys?.includes(key) ?? key !== 'id')
  const set = columns.map(([, column]) => `"${column.name}" = given."${column.name}"`).join(', ')
  return `UPDATE ${name} SET ${set} FROM json_populate_recordset(NULL::${name}, @rows) AS given WHERE ${name}.id = given.id`
}

/** Rows of a table as one JSON parameter, under the names of its columns. */
export function rowsOf(table: PgTable, rows: readonly object[]): string {
  const names = columnNames(table)
  return recordsOf(rows, (key) => names.get(key) ?? key)
}

const known = new WeakMap<PgTable, ReadonlyMap<string, string>>()

/** By their names in TypeScript. */
function columnNames(table: PgTable): ReadonlyMap<string, string> {
  const names =
    known.get(table) ?? new Map(Object.entries(getTableColumns(table)).map(([key, column]) => [key, column.name]))
  known.set(table, names)
  return names
}

/** Records as one JSON parameter, for `json_to_recordset` and `json_populate_recordset`. */
export function recordsOf(records: readonly object[], nameOf = (key: string) => key): string {
  return JSON.stringify(
    records.map((record) =>
      Object.fromEntries(Object.entries(record).map(([key, value]) => [nameOf(key), storable(value)])),
    ),
  )
}

/**
 * PostgreSQL's text holds neither NUL nor half a surrogate pair; a receiver's error or a handler's message may.
 * They are replaced, as a reader would see them: otherwise what happened could never be recorded.
 */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD').toWellFormed()
  if (Array.isArray(value)) return value.map(storable)
  return Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : value
}

/** A condition for a filter that was given, nothing for one that was not. */
export function ifGiven<T>(value: T | undefined | null, condition: (value: T) => SQL): SQL | undefined {
  return value === undefined || value === null ? undefined : condition(value)
}
