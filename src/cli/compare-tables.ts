import type { Database as Connection } from 'better-sqlite3'
import { getTableName } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type pg from 'pg'
import { recordsOf } from '../store/postgres/rows.ts'
import { statement } from '../store/postgres/statement.ts'
import { counted, some } from './say.ts'
import { chunksOf, keyOf, TABLES } from './tables.ts'

const KEYS = 10_000

/** Says for each table which rows the target has that the source has not, or not like that. */
export async function strangers(source: Connection, target: pg.Client): Promise<string[]> {
  const found: string[] = []
  for (const table of TABLES) {
    const keys = [...(await foreignKeys(source, target, table)), ...(await changedKeys(source, target, table))]
    if (keys.length > 0) found.push(`${getTableName(table)}: ${counted(keys.length, 'row')}, ${some(keys)}`)
  }
  return found
}

async function foreignKeys(source: Connection, target: pg.Client, table: PgTable): Promise<string[]> {
  const name = getTableName(table)
  const key = keyOf(source, name)
  const isHere = source.prepare(`SELECT 1 FROM ${name} WHERE (${key}) = (${key.map(() => '?')})`)
  const foreign: string[] = []
  for await (const row of keysIn(target, name, key)) {
    if (isHere.get(...row) === undefined) foreign.push(row.join(' '))
  }
  return foreign
}

/** Rows that were copied before and have changed since, on either side: nobody could say which ones are right. */
async function changedKeys(source: Connection, target: pg.Client, table: PgTable): Promise<string[]> {
  const name = getTableName(table)
  const { rows: present } = await target.query(`SELECT 1 FROM ${name} LIMIT 1`)
  if (present.length === 0) return []
  const key = keyOf(source, name)
  const changed = statement(
    `SELECT ${key} FROM json_populate_recordset(NULL::${name}, @rows) AS here JOIN ${name} AS there USING (${key})
      WHERE ROW(here.*) IS DISTINCT FROM ROW(there.*)`,
  )
  const keys: string[] = []
  for (const chunk of chunksOf(source, table)) {
    const { rows } = await target.query<unknown[]>({ ...changed({ rows: recordsOf(chunk) }), rowMode: 'array' })
    keys.push(...rows.map((row) => row.join(' ')))
  }
  return keys
}

async function* keysIn(target: pg.Client, table: string, key: readonly string[]): AsyncGenerator<unknown[]> {
  const parameters = key.map((_, i) => `$${i + 1}`)
  const next = `SELECT ${key} FROM ${table} WHERE (${key}) > (${parameters}) ORDER BY ${key} LIMIT ${KEYS}`
  let query = { text: `SELECT ${key} FROM ${table} ORDER BY ${key} LIMIT ${KEYS}`, values: [] as unknown[] }
  for (;;) {
    const { rows } = await target.query<unknown[]>({ ...query, rowMode: 'array' })
    yield* rows
    if (rows.length < KEYS) return
    query = { text: next, values: rows.at(-1) as unknown[] }
  }
}

export interface Comparison {
  /** For people. */
  table: string
  equal: boolean
  rows: number
}

/** Counts the rows of all tables on both sides. */
export async function compareCounts(source: Connection, target: pg.Client): Promise<Comparison> {
  const lines = [line('table', 'source', 'target')]
  let equal = true
  let sum = 0
  for (const name of TABLES.map((table) => getTableName(table)).sort()) {
    const here = source.prepare(`SELECT count(*) FROM ${name}`).pluck().get() as number
    const { rows } = await target.query<{ count: number }>(`SELECT count(*) AS count FROM ${name}`)
    const there = Number(rows[0]?.count)
    equal &&= here === there
    sum += there
    lines.push(line(name, here.toLocaleString('en'), there.toLocaleString('en')) + (here === there ? '' : '  differs'))
  }
  return { table: lines.join('\n'), equal, rows: sum }
}

function line(name: string, here: string, there: string): string {
  return name.padEnd(20) + here.padStart(14) + there.padStart(14)
}
