import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getTableName } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as schema from '../../src/store/postgres/schema.ts'
import { ENCRYPTION_KEYS } from '../support/engine.ts'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { runToExit, startProcess } from '../support/process.ts'
import type { Environment } from '../support/service.ts'
import { until } from '../support/until.ts'
import { TIMEOUT_MS } from './form.ts'
import { postgresTables } from './tables.ts'

const PROCESSES = 10
const TABLES = Object.values(schema)
  .flatMap((table) => (typeof table === 'object' ? [getTableName(table)] : []))
  .sort()

let folder: string
let server: PostgresServer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-chaos-'))
  server = await startPostgresServer({ durable: true })
}, TIMEOUT_MS)
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const environment = (url: string): Environment => ({
  POSTHORN_PORT: '0',
  POSTHORN_DATABASE_URL: url,
  POSTHORN_DATABASE_POOL: '4',
  POSTHORN_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
  POSTHORN_FILES: `file:${folder}/files`,
})

test(
  `${PROCESSES} processes started at once on an empty database: one makes it, and all of them work`,
  async () => {
    const url = await server.createDatabase()
    const folders = await Promise.all(
      Array.from({ length: PROCESSES }, async (_, n) => {
        const own = join(folder, `process-${n}`)
        await mkdir(own)
        return own
      }),
    )
    const processes = await Promise.all(folders.map((own) => startProcess(environment(url), own)))
    await using tables = await postgresTables(url)
    try {
      // The keys were shown once, by whoever came first; there are no others.
      const shown = (await Promise.all(folders.map(firstRunOf))).filter((text) => text !== null)
      expect(shown).toHaveLength(1)
      const [, apiKey] = /API key +(\S+)/.exec(shown[0] as string) ?? []
      expect(await tables.rows('SELECT name FROM tenants')).toEqual([{ name: 'default' }])
      expect(await tables.rows('SELECT role, count(*)::int FROM api_keys GROUP BY role ORDER BY role')).toEqual([
        { role: 'admin', count: 1 },
        { role: 'client', count: 1 },
      ])
      const made = await tables.rows<{ name: string }>(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name",
      )
      expect(made.map(({ name }) => name).sort()).toEqual(TABLES)
      expect(await tables.number('SELECT count(*) FROM workers')).toBe(PROCESSES)
      for (const { url } of processes) {
        const answer = await fetch(`${url}/v1/jobs`, {
          method: 'POST',
          headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ type: 'echo', payload: { url } }),
        })
        expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'completed', result: { url } }])
      }
      await until('nobody is taken for dead', async () => (await tables.number('SELECT min(beats) FROM workers')) > 0)
      expect(await tables.number('SELECT count(*) FROM workers')).toBe(PROCESSES)
    } finally {
      await Promise.all(processes.map((one) => one.end()))
    }
  },
  TIMEOUT_MS,
)

async function firstRunOf(own: string): Promise<string | null> {
  const [data] = await readdir(own)
  return data === undefined ? null : readFile(join(own, data, 'first-run.txt'), 'utf8')
}

test(
  'a process older than the schema refuses to start, and says so',
  async () => {
    const url = await server.createDatabase()
    const first = await startProcess(environment(url), folder)
    await first.end('SIGTERM')
    await using tables = await postgresTables(url)
    const newer = Date.now() + 10 * 365 * 86_400_000
    await tables.rows(`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('newer', ${newer})`)
    const exit = await runToExit(environment(url))
    expect(exit).toMatchObject({ code: 69, stderr: expect.stringContaining('newer version of Posthorn') })
    expect(exit.stderr).not.toContain('    at ')
  },
  TIMEOUT_MS,
)
