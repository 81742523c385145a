import { type FreshDatabase, freshDatabase } from './database.ts'
import type { Environment } from './service.ts'

/** Whether the tests of this project run on PostgreSQL. */
export const onPostgres = process.env.POSTHORN_TEST_ENGINE === 'postgres'

export const ENCRYPTION_KEYS = `test:${Buffer.alloc(32, 7).toString('base64')}`

/** The variables of a service that keeps its data in `folder`: the same folder is the same database. */
export interface EngineDatabase extends AsyncDisposable {
  env: Environment
}

const databases = new Map<string, Promise<FreshDatabase>>()

/** At the end of each test file: what its tests have left. */
export async function dropDatabases(): Promise<void> {
  for (const database of databases.values()) await (await database)[Symbol.asyncDispose]()
  databases.clear()
}

/** The database of the engine this project tests, new for each folder. Dropped at the end of the test file at the latest. */
export async function databaseOf(folder: string): Promise<EngineDatabase> {
  if (!onPostgres) {
    return { env: { POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db` }, [Symbol.asyncDispose]: async () => {} }
  }
  const database = databases.get(folder) ?? freshDatabase()
  databases.set(folder, database)
  const { url } = await database
  return {
    env: { POSTHORN_DATABASE_URL: url, POSTHORN_ENCRYPTION_KEYS: ENCRYPTION_KEYS, POSTHORN_DATABASE_POOL: '6' },
    [Symbol.asyncDispose]: async () => {
      databases.delete(folder)
      await (await database)[Symbol.asyncDispose]()
    },
  }
}
