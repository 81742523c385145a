import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freshDatabase } from './database.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgresServer({ durable: true })
})

afterAll(() => server[Symbol.asyncDispose]())

async function query(url: string, ...statements: string[]): Promise<unknown[]> {
  const client = new Client(url)
  await client.connect()
  try {
    let rows: unknown[] = []
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement))
    return rows
  } finally {
    await client.end()
  }
}

test('what a durable server has committed is there after a kill -9', async () => {
  const url = await server.createDatabase()
  await query(url, 'CREATE TABLE kept (id int)', 'INSERT INTO kept SELECT generate_series(1, 1000)')
  await server.kill('SIGKILL')
  await expect(query(url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await server.restart()
  expect(await query(url, 'SELECT count(*)::int FROM kept')).toEqual([{ count: 1000 }])
  expect(server.log()).toContain('database system was not properly shut down; automatic recovery in progress')
})

test('a restart without a kill is an orderly one', async () => {
  const before = server.log().length
  await server.restart()
  expect(server.log().slice(before)).toContain('received fast shutdown request')
  expect(await query(server.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('a created database shares no tables with another', async () => {
  const [one, other] = [await server.createDatabase(), await server.createDatabase('named "so"')]
  await query(one, 'CREATE TABLE mine (id int)')
  await expect(query(other, 'TABLE mine')).rejects.toThrow('relation "mine" does not exist')
  expect(await query(other, 'SELECT current_database() AS name')).toEqual([{ name: 'named "so"' }])
})

test('the log has what the server said, to the statement', async () => {
  await expect(query(server.url(), 'SELECT nonsense')).rejects.toThrow()
  expect(server.log()).toMatch(/ERROR: {2}column "nonsense" does not exist.*\n.*STATEMENT: {2}SELECT nonsense/)
})

test('nobody gets in without the password', async () => {
  const url = new URL(server.url())
  url.password = 'guessed'
  await expect(query(url.href, 'SELECT 1')).rejects.toThrow('password authentication failed')
})

test('a fresh database is empty, or a copy, and is dropped under those who are connected', async () => {
  const template = await freshDatabase()
  await query(template.url, 'CREATE TABLE copied (id int)')
  const { pathname } = new URL(template.url)
  const copy = await freshDatabase({ template: pathname.slice(1) })
  expect(await query(copy.url, 'TABLE copied')).toEqual([])
  const connected = new Client(copy.url)
  const lost = new Promise((resolve) => connected.on('error', resolve))
  await connected.connect()
  await copy[Symbol.asyncDispose]()
  expect(await lost).toMatchObject({ message: expect.stringContaining('terminating connection') })
  await expect(query(copy.url, 'SELECT 1')).rejects.toThrow('does not exist')
  await template[Symbol.asyncDispose]()
})
