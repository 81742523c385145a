import { expect, test } from 'vitest'
import { standsCrowds } from './concurrent.ts'
import { emptyDatabase, postgresStores } from './postgres-stores.ts'
import { LONG } from './replayed.ts'

test('calls that come at once to two processes add up on PostgreSQL', {
  timeout: LONG ? 900_000 : 60_000,
}, async () => {
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
