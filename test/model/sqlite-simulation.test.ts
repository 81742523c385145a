import { test } from 'vitest'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { LONG } from './replayed.ts'
import type { Home } from './simulation/process.ts'
import { survives } from './survives.ts'

test('all is done in spite of faults on SQLite', { timeout: LONG ? 900_000 : 60_000 }, async () => {
  await survives(
    async () => {
      const store = openSqliteStore(MEMORY)
      const engineOf: Home['engineOf'] = (clock, _, onError) => embeddedEngine(clock, onError)
      return { nextHome: async () => ({ store, engineOf }), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
    },
    LONG ? 300 : 20,
  )
})
