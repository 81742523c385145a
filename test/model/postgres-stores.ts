import { getTableName } from 'drizzle-orm'
import { systemClock } from '../../src/clock.ts'
import * as schema from '../../src/store/postgres/schema.ts'
import { openPostgresStore, type PostgresStore } from '../../src/store/postgres/store.ts'
import { freshDatabase } from '../support/database.ts'

/** Stores of several processes on one new database. */
export interface PostgresStores extends AsyncDisposable {
  all: [PostgresStore, ...PostgresStore[]]
}

export async function postgresStores(count: number): Promise<PostgresStores> {
  await using stack = new AsyncDisposableStack()
  const { url } = stack.use(await freshDatabase())
  const open = async () =>
    stack.use(await openPostgresStore({ url, poolSize: 6, clock: systemClock(), onFault: () => {} }))
  const all: PostgresStores['all'] = [await open()]
  while (all.length < count) all.push(await open())
  const opened = stack.move()
  return { all, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const tables = Object.values(schema).flatMap((table) => (typeof table === 'object' ? [getTableName(table)] : []))

/** Removes all rows. What a store remembers of endpoints stays, so the next run has others. */
export async function emptyDatabase({ db }: PostgresStore): Promise<void> {
  await db.changes({ text: `TRUNCATE ${tables.join(', ')}`, values: [] })
}
