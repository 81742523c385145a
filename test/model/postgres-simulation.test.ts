import { afterAll, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { graphileEngine } from '../../src/engine/graphile.ts'
import { openPostgresStore } from '../../src/store/postgres/store.ts'
import { freshDatabase } from '../support/database.ts'
import { LONG, reportSteps, TIMEOUT_MS } from './check.ts'
import { emptyDatabase } from './postgres-stores.ts'
import type { Home } from './simulation/process.ts'
import { survives } from './survives.ts'

const types = ['planned']

afterAll(() => reportSteps('postgres simulation'))

test('all is done in spite of faults on PostgreSQL', { timeout: TIMEOUT_MS }, async () => {
  await using database = await freshDatabase()
  const { url } = database
  // Connections go by real time, whatever time the processes have.
  const open = () => openPostgresStore({ url, poolSize: 4, clock: systemClock(), onFault: () => {} })
  await survives(
    async () => {
      const stores = new AsyncDisposableStack()
      await emptyDatabase(stores.use(await open()))
      const nextHome = async (): Promise<Home> => {
        const store = stores.use(await open())
        return { store, engineOf: (clock, id, onError) => graphileEngine({ ...store, clock, id, types, onError }) }
      }
      return { nextHome, [Symbol.asyncDispose]: () => stores.disposeAsync() }
    },
    LONG ? 40 : 5,
  )
})
