import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { getTableName } from 'drizzle-orm'
import { afterAll, test } from 'vitest'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import * as schema from '../../src/store/sqlite/schema.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { LONG, reportSteps, TIMEOUT_MS } from './check.ts'
import { agreesWithReference } from './sequence.ts'

afterAll(() => reportSteps('sqlite sequence'))

test('SQLite in memory answers as the reference does, whatever is asked', { timeout: TIMEOUT_MS }, async () => {
  await agreesWithReference(
    async () => {
      const store = openSqliteStore(MEMORY)
      return { store, register: null, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
    },
    LONG ? 1500 : 200,
  )
})

test('a file of SQLite does, too, with registered endpoints', { timeout: TIMEOUT_MS }, async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.adopt(await mkdtemp(join(tmpdir(), 'posthorn-model-')), (path) => rm(path, { recursive: true }))
  const path = join(folder, 'posthorn.db')
  const store = stack.use(openSqliteStore(path))
  const { empty, register } = stack.use(openBeside(path))
  await agreesWithReference(
    async () => {
      empty()
      return { store, register, [Symbol.asyncDispose]: async () => {} }
    },
    LONG ? 300 : 40,
  )
})

/** Another connection to the file, for what no verb does. */
function openBeside(path: string) {
  const db = new Database(path)
  const register = db.prepare("UPDATE endpoints SET kind = 'registered', disabled_at = ? WHERE id = ?")
  const empty = Object.values(schema).map((table) => `DELETE FROM ${getTableName(table)}`)
  return {
    empty: () => void db.exec(empty.join(';')),
    register: async (endpointId: string, disabledAt: number | null) => void register.run(disabledAt, endpointId),
    [Symbol.dispose]: () => void db.close(),
  }
}
