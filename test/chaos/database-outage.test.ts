import { afterAll, beforeAll, test } from 'vitest'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { endure } from './database-away.ts'
import { startCluster } from './database-cluster.ts'
import { form } from './form.ts'

const AWAY_MS = form(6000, 30_000)

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgresServer({ durable: true })
})
afterAll(() => server[Symbol.asyncDispose]())

test(`with PostgreSQL gone for ${AWAY_MS / 1000} s every call gets 503 in time, and all goes on when it is back`, async () => {
  const databaseUrl = await server.createDatabase()
  await using cluster = await startCluster([{ databaseUrl }, { databaseUrl }])
  await endure(cluster, {
    what: 'outage',
    databaseUrl,
    leave: () => server.kill('SIGKILL'),
    forMs: AWAY_MS,
    comeBack: () => server.restart(),
  })
}, 120_000)
