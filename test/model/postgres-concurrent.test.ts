import { afterAll, expect, test } from 'vitest'
import { LONG, reportSteps, TIMEOUT_MS } from './check.ts'
import { standsCrowds } from './concurrent.ts'
import { emptyDatabase, postgresStores } from './postgres-stores.ts'

afterAll(() => reportSteps('postgres concurrent'))

test('calls that come at once to two processes add up on PostgreSQL', { timeout: TIMEOUT_MS }, async () => {
  await using stores = await postgresStores(2)
  expect(stores.all).toHaveLength(2)
  await standsCrowds(
    async () => {
      await emptyDatabase(stores.all[0])
      return stores.all
    },
    LONG ? 400 : 40,
  )
})
