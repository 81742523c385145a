import { getTableColumns } from 'drizzle-orm'
import { getTableConfig as postgresConfig } from 'drizzle-orm/pg-core'
import { getTableConfig as sqliteConfig } from 'drizzle-orm/sqlite-core'
import { expect, expectTypeOf, test } from 'vitest'
import type { Delivery } from '../../src/core/delivery.ts'
import type { Job } from '../../src/core/job.ts'
import * as postgres from '../../src/store/postgres/schema.ts'
import * as sqlite from '../../src/store/sqlite/schema.ts'
import type { ApiKey, Attempt, AuditEntry, DeadLetter, FileRow, Tenant } from '../../src/store/store.ts'

const tables = Object.entries(sqlite).map(([name, table]) => ({
  name,
  here: table,
  there: new Map(Object.entries(postgres)).get(name) as (typeof postgres)[Tables],
}))
type Tables = keyof typeof sqlite
type Rows<Schema extends Record<Tables, { $inferSelect: unknown }>> = { [T in Tables]: Schema[T]['$inferSelect'] }

// Checked by `tsc`: a row needs no mapping, because it is what the store's interface says.
test('the rows of SQLite are the types of the store', () => {
  expectTypeOf<typeof sqlite.jobs.$inferSelect>().toEqualTypeOf<Job>()
  expectTypeOf<typeof sqlite.deliveries.$inferSelect>().toEqualTypeOf<Delivery>()
  expectTypeOf<typeof sqlite.attempts.$inferSelect>().toEqualTypeOf<Attempt>()
  expectTypeOf<typeof sqlite.deadLetters.$inferSelect>().toEqualTypeOf<DeadLetter>()
  expectTypeOf<typeof sqlite.tenants.$inferSelect>().toEqualTypeOf<Tenant>()
  expectTypeOf<typeof sqlite.apiKeys.$inferSelect>().toEqualTypeOf<ApiKey>()
  expectTypeOf<typeof sqlite.files.$inferSelect>().toEqualTypeOf<FileRow>()
  expectTypeOf<typeof sqlite.auditLog.$inferSelect>().toEqualTypeOf<AuditEntry>()
})

test('the rows of PostgreSQL are those of SQLite', () => {
  expectTypeOf<Rows<typeof postgres>>().branded.toEqualTypeOf<Rows<typeof sqlite>>()
  expect(Object.keys(postgres).sort()).toEqual(Object.keys(sqlite).sort())
})

test.each(tables)('$name has the same columns, keys and indexes in both databases', ({ here, there }) => {
  expect(columnsOf(there)).toEqual(columnsOf(here))
  const [a, b] = [sqliteConfig(here), postgresConfig(there)]
  expect(b.name).toBe(a.name)
  expect(b.indexes.map(indexOf)).toEqual(a.indexes.map(indexOf))
  expect(b.primaryKeys.map(keyOf)).toEqual(a.primaryKeys.map(keyOf))
})

function columnsOf(table: (typeof sqlite | typeof postgres)[Tables]) {
  return Object.entries(getTableColumns(table)).map(([key, { name, notNull, isUnique, primary }]) => ({
    key,
    name,
    notNull,
    isUnique,
    primary,
  }))
}

interface AnyIndex {
  config: { name?: string | undefined; unique: boolean; columns: unknown[]; where?: unknown }
}

function indexOf({ config }: AnyIndex) {
  const where = config.where as { queryChunks: { value: string[] }[] } | undefined
  return {
    name: config.name,
    unique: config.unique,
    columns: config.columns.map((column) => (column as { name: string }).name),
    where: where?.queryChunks.flatMap(({ value }) => value).join(''),
  }
}

function keyOf(key: { columns: { name: string }[] }): string[] {
  return key.columns.map(({ name }) => name)
}
