import { escapeIdentifier, Pool } from 'pg'
import { inject } from 'vitest'
import { randomName } from './postgres-server.ts'

/** A database of a test's own on the PostgreSQL server of the test run. Disposing drops it, whoever is still connected. */
export interface FreshDatabase extends AsyncDisposable {
  url: string
}

export interface FreshDatabaseOptions {
  /** The database to copy instead of creating an empty one. Nobody may be connected to it. */
  template?: string
}

let connections: Pool | undefined

/** Connections that each test file opens once and that do not keep its process alive. */
function server(): Pool {
  if (connections === undefined) {
    connections = new Pool({ connectionString: inject('postgresUrl'), max: 2, allowExitOnIdle: true })
    // An idle connection ends with the server, at the latest when the test run does.
    connections.on('error', () => {})
  }
  return connections
}

export async function freshDatabase({ template = 'template1' }: FreshDatabaseOptions = {}): Promise<FreshDatabase> {
  const name = randomName()
  await server().query(`CREATE DATABASE ${name} TEMPLATE ${escapeIdentifier(template)}`)
  const url = new URL(inject('postgresUrl'))
  url.pathname = name
  return {
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      await server().query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}
