import { afterAll, test } from 'vitest'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { LONG, reportSteps, TIMEOUT_MS } from './check.ts'
import type { Home } from './simulation/process.ts'
import { survives } from './survives.ts'

afterAll(() => reportSteps('sqlite simulation'))

test('all is done in spite of faults on SQLite', { timeout: TIMEOUT_MS }, async () => {
  await survives(
    async () => {
      const store = openSqliteStore(MEMORY)
      const engineOf: Home['engineOf'] = (clock, _, onError) => embeddedEngine(clock, onError)
      return { nextHome: async () => ({ store, engineOf }), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
    },
    LONG ? 300 : 20,
  )
})
