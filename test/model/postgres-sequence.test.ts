import { afterAll, test } from 'vitest'
import { statement } from '../../src/store/postgres/statement.ts'
import { emptyDatabase, postgresStores } from './postgres-stores.ts'
import { LONG } from './replayed.ts'
import { agreesWithReference } from './sequence.ts'
import { reportSteps } from './world.ts'

const register = statement("UPDATE endpoints SET kind = 'registered', disabled_at = @disabledAt WHERE id = @endpointId")

afterAll(() => reportSteps('PostgreSQL'))

test('PostgreSQL answers as the reference does, whatever is asked', { timeout: LONG ? 900_000 : 60_000 }, async () => {
  await using stores = await postgresStores(1)
  const [store] = stores.all
  await agreesWithReference(
    async () => {
      await emptyDatabase(store)
      return {
        store,
        register: async (endpointId, disabledAt) => void (await store.db.changes(register({ endpointId, disabledAt }))),
        [Symbol.asyncDispose]: async () => {},
      }
    },
    LONG ? 500 : 40,
  )
})
