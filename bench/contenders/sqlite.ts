import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Contender, Stored } from './contender.ts'
import { READ_STORED } from './read-stored.ts'
import { type RunDatabase, type ServiceOptions, service } from './service.ts'

/** The service with its embedded database, in a file. */
export function onSqlite(options: ServiceOptions): Contender {
  return service('sqlite', async (folder) => databaseIn(join(folder, 'data')), options)
}

function databaseIn(folder: string): RunDatabase {
  const path = join(folder, 'posthorn.db')
  return {
    url: `file:${path}`,
    read: async () => {
      const db = new Database(path)
      try {
        return db.prepare(READ_STORED).all() as Stored[]
      } finally {
        db.close()
      }
    },
    cpuUs: async () => null,
    bytes: async () => {
      const files = (await readdir(folder)).filter((name) => name.startsWith('posthorn.db'))
      const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size))
      return sizes.reduce((sum, size) => sum + size, 0)
    },
    [Symbol.asyncDispose]: async () => {},
  }
}
