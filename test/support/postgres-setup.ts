import type { TestProject } from 'vitest/node'
import { startPostgresServer } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A PostgreSQL server whose user may create databases. */
    postgresUrl: string
  }
}

/** Gives all test files of a project one server: the one of `TEST_DATABASE_URL` when that is set, else one of their own. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  if (given) {
    provide('postgresUrl', given)
    return async () => {}
  }
  const server = await startPostgresServer()
  provide('postgresUrl', server.url())
  return async () => await server[Symbol.asyncDispose]()
}
