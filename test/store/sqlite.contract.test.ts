import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { storeContract } from './store.contract.ts'

describe.each(['memory', 'file'])('the store on SQLite (%s)', (kind) => {
  storeContract(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-store-'))
    const store = openSqliteStore(kind === 'memory' ? MEMORY : join(folder, 'posthorn.db'))
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]()
        await rm(folder, { recursive: true, force: true })
      },
    }
  })
})
