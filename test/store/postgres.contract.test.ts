import { afterAll, beforeAll, describe } from 'vitest'
import { connect } from '../../src/store/postgres/database.ts'
import { openPostgresStore } from '../../src/store/postgres/store.ts'
import { fakeClock } from '../support/clock.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { storeContract } from './store.contract.ts'

describe('the store on PostgreSQL', () => {
  let database: FreshDatabase
  const open = (clock = fakeClock()) => openPostgresStore({ url: database.url, poolSize: 4, clock, onFault: () => {} })

  beforeAll(async () => {
    database = await freshDatabase()
    await using _migrated = await open()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  storeContract(async (clock) => {
    const db = connect(database.url, 1)
    const [tables] = await db.rows<{ names: string }>({
      text: "SELECT string_agg(tablename, ', ') AS names FROM pg_tables WHERE schemaname = 'public'",
      values: [],
    })
    await db.changes({ text: `TRUNCATE ${tables?.names}`, values: [] })
    await db.close()
    const store = await open(clock)
    return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
  })
})
