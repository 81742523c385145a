import { afterAll, test } from 'vitest'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { LONG, reportSteps, TIMEOUT_MS } from './check.ts'
import { standsCrowds } from './concurrent.ts'

afterAll(() => reportSteps('sqlite concurrent'))

test('calls that come at once add up on SQLite', { timeout: TIMEOUT_MS }, async () => {
  await using stack = new AsyncDisposableStack()
  await standsCrowds(async () => [stack.use(openSqliteStore(MEMORY))], LONG ? 1000 : 60)
})
