import { afterAll, test } from 'vitest'
import { statement } from '../../src/store/postgres/statement.ts'
import { LONG, reportSteps, TIMEOUT_MS } from './check.ts'
import { emptyDatabase, postgresStores } from './postgres-stores.ts'
import { agreesWithReference } from './sequence.ts'

const register = statement("UPDATE endpoints SET kind = 'registered', disabled_at = @disabledAt WHERE id = @endpointId")

afterAll(() => reportSteps('postgres sequence'))

test('PostgreSQL answers as the reference does, whatever is asked', { timeout: TIMEOUT_MS }, async () => {
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
