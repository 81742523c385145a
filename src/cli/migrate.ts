import { existsSync } from 'node:fs'
import pg from 'pg'
import { type DatabasePlace, readConfig } from '../config.ts'
import { openDatabase as openPostgres } from '../store/postgres/open.ts'
import { openDatabase as openSqlite } from '../store/sqlite/open.ts'
import { defineCommand } from './command.ts'
import { say, sayJson } from './say.ts'
import { embeddedState, postgresState, readingEmbedded, type SchemaState } from './schema-state.ts'

/** One migrates, the other brings graphile-worker's schema up to date. */
const POOL = 2
const NEW: SchemaState = { applied: 0, known: 0, newer: false }

export const migrate = defineCommand({
  help: `Usage: posthorn migrate [options]

Brings the schema of the configured database up to date and ends: for deployments that do it before the new version
starts. A service that starts does the same by itself. An embedded database must not be in use; on PostgreSQL several
may run at once, one does it and the others wait.

  --json                 JSON on standard output
`,
  options: {},
  operands: [0, 0],
  async run({ json }) {
    const { database } = readConfig().config
    const before = await stateOf(database)
    // One that is up to date may be in use.
    if (database.kind === 'sqlite' && isCurrent(before)) return report(before, 0, json)
    if (database.kind === 'sqlite') openSqlite(database.path).close()
    else await (await openPostgres(database.url, POOL)).close()
    const after = await stateOf(database)
    return report(after, after.applied - before.applied, json)
  },
})

function isCurrent({ applied, known, newer }: SchemaState): boolean {
  return applied > 0 && applied === known && !newer
}

function report({ applied }: SchemaState, steps: number, json: boolean): number {
  if (json) sayJson(JSON.stringify({ applied: steps, version: applied }))
  else if (steps === 0) say(`The schema is up to date (${applied}).`)
  else say(`The schema was brought from ${applied - steps} to ${applied}.`)
  return 0
}

/** What cannot be read is nothing to stop at: opening it says why. */
async function stateOf(database: DatabasePlace): Promise<SchemaState> {
  if (database.kind === 'sqlite') {
    return existsSync(database.path) ? readingEmbedded(database.path, embeddedState).catch(() => NEW) : NEW
  }
  const client = new pg.Client({ connectionString: database.url, connectionTimeoutMillis: 10_000 })
  try {
    await client.connect()
    return await postgresState(client)
  } catch {
    return NEW
  } finally {
    await client.end().catch(() => {})
  }
}
