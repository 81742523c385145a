import { defineConfig } from 'vitest/config'

/** Run for SQLite only: what knows it, and what asks of a database no more than to be there. */
const sqlite = [
  'test/store/{sqlite*,group-commit,open}.test.ts',
  'test/files/**/*.test.ts',
  'test/model/sqlite*.test.ts',
  'test/e2e/start.test.ts',
  'test/browser/**/*.test.ts',
  'test/abuse/{connections,endless,forced-*,fuzz,hosts,hostile,loop,names,raw-http,registration,requests,routes,sealed}.test.ts',
]
/** Run for PostgreSQL only. */
const postgres = [
  'test/support/postgres-server.test.ts',
  'test/store/postgres*.test.ts',
  'test/model/postgres*.test.ts',
  'test/engine/graphile.test.ts',
  'test/cli/{migrate-to,postgres}.test.ts',
]
/** Run for each engine: what a client sees is the same. */
const service = ['test/{http,e2e,abuse}/**/*.test.ts', 'test/client/{service,packed}.test.ts']
/** Processes that are killed and stopped, with servers of their own. */
const chaos = ['test/chaos/**/*.test.ts']

export default defineConfig({
  resolve: {
    alias: {
      'posthorn/client': new URL('./src/client/index.ts', import.meta.url).pathname,
      'posthorn/handlers': new URL('./src/handlers/define.ts', import.meta.url).pathname,
    },
  },
  test: {
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // What is waited for comes in a moment; on a busy machine, in some.
    expect: { poll: { timeout: 10_000 } },
    // More than the two cores that there may be: tests start servers and whole processes, and wait for them.
    maxWorkers: 3,
    // The service is loaded once for many files instead of for each: a third of the time. So no file changes a module.
    isolate: false,
    setupFiles: ['test/support/leftovers.ts'],
    execArgv: ['--import', new URL('./src/drizzle-imports.ts', import.meta.url).href],
    projects: [
      {
        // The rest, so that no test is forgotten.
        test: { name: 'core', include: ['test/**/*.test.ts'], exclude: [...sqlite, ...postgres, ...service, ...chaos] },
      },
      {
        test: { name: 'sqlite', include: [...sqlite, ...service], env: { POSTHORN_TEST_ENGINE: 'sqlite' } },
      },
      {
        test: {
          name: 'postgres',
          include: [...postgres, ...service],
          exclude: sqlite,
          env: { POSTHORN_TEST_ENGINE: 'postgres' },
          // Run only when tests of this project are.
          globalSetup: ['test/support/postgres-setup.ts'],
        },
      },
      { test: { name: 'chaos', include: chaos } },
    ],
  },
})
