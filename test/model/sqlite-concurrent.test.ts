import { test } from 'vitest'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { standsCrowds } from './concurrent.ts'
import { LONG } from './replayed.ts'

test('calls that come at once add up on SQLite', { timeout: LONG ? 900_000 : 60_000 }, async () => {
  await using stack = new AsyncDisposableStack()
  await standsCrowds(async () => [stack.use(openSqliteStore(MEMORY))], LONG ? 1000 : 60)
})
