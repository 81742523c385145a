import { getTableColumns, getTableName, type SQL } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'

/** The select list that gives a table's rows under the names they have in TypeScript. */
export function selectList(table: SQLiteTable, alias?: string): string {
  const prefix = alias ? `${alias}.` : ''
  return Object.entries(getTableColumns(table))
    .map(([key, column]) => `${prefix}"${column.name}" AS "${key}"`)
    .join(', ')
}

/** `INSERT INTO … (all columns) VALUES (@named parameters)`; a column left out of `omit` must be given. */
export function insertInto(table: SQLiteTable, omit: readonly string[] = []): string {
  const columns = Object.entries(getTableColumns(table)).filter(([key]) => !omit.includes(key))
  const names = columns.map(([, column]) => `"${column.name}"`).join(', ')
  const values = columns.map(([key]) => `@${key}`).join(', ')
  return `INSERT INTO ${getTableName(table)} (${names}) VALUES (${values})`
}

/** `UPDATE … SET column = @member … WHERE id = @id`. @param keys All but the id */
export function updateById(table: SQLiteTable, keys?: readonly string[]): string {
  const columns = Object.entries(getTableColumns(table)).filter(([key]) => keys?.includes(key) ?? key !== 'id')
  const set = columns.map(([key, column]) => `"${column.name}" = @${key}`).join(', ')
  return `UPDATE ${getTableName(table)} SET ${set} WHERE id = @id`
}

/** A condition for a filter that was given, nothing for one that was not. */
export function ifGiven<T>(value: T | undefined | null, condition: (value: T) => SQL): SQL | undefined {
  return value === undefined || value === null ? undefined : condition(value)
}
