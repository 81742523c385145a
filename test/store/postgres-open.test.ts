import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../src/store/postgres/database.ts'
import { statement } from '../../src/store/postgres/statement.ts'
import { openPostgresStore, type PostgresStore } from '../../src/store/postgres/store.ts'
import { fakeClock } from '../support/clock.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { newJob, TENANT } from './fixtures.ts'

const clock = fakeClock()
let database: FreshDatabase
let admin: pg.Client

beforeEach(async () => {
  database = await freshDatabase()
  admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
})
afterEach(async () => {
  await admin.end()
  await database[Symbol.asyncDispose]()
})

const open = (url = database.url): Promise<PostgresStore> =>
  openPostgresStore({ url, poolSize: 3, clock, onFault: () => {} })

test('ten that open an empty database at once all find it complete', async () => {
  await using stack = new AsyncDisposableStack()
  const stores = await Promise.all(Array.from({ length: 10 }, async () => stack.use(await open())))
  for (const store of stores) expect(await store.jobs.countReady(1)).toBe(0)
  const { rows } = await admin.query('SELECT count(*)::int AS n FROM drizzle.__drizzle_migrations GROUP BY hash')
  expect(rows.every(({ n }) => n === 1)).toBe(true)
})

test('a database that was used by a newer version is refused and left as it is', async () => {
  await (await open())[Symbol.asyncDispose]()
  const newer = ['newer', Date.UTC(2100, 0, 1)]
  await admin.query('INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, $2)', newer)
  await expect(open()).rejects.toMatchObject({ exitCode: 69, message: expect.stringContaining('newer version') })
})

test('a server that is not there is told without the password', async () => {
  const url = 'postgres://someone:hush-hush@127.0.0.1:1/nowhere'
  const error = (await open(url).catch((reason: unknown) => reason)) as Error
  expect(error).toMatchObject({ exitCode: 69, message: expect.stringContaining('127.0.0.1:1/nowhere') })
  expect(error.message).not.toContain('hush')
})

test('a database that is not there is told as such', async () => {
  const url = new URL(database.url)
  url.pathname = 'nowhere'
  await expect(open(url.href)).rejects.toMatchObject({
    exitCode: 69,
    message: expect.stringMatching(/"nowhere" does not exist/),
  })
})

test('a key that another process is just storing is waited for, and busy when that does not end', async () => {
  await using store = await open()
  const key = { key: 'k', fingerprint: 'f' }
  const other = newJob(clock)
  const insert = 'INSERT INTO idempotency_keys VALUES ($1, $2, $3, $4, $5)'
  await admin.query('BEGIN')
  await admin.query(insert, [TENANT, key.key, key.fingerprint, other.id, other.createdAt])
  expect(await store.jobs.accept(newJob(clock), key)).toEqual({ kind: 'key_busy' })
  const waiting = store.jobs.accept(newJob(clock), key)
  await admin.query('ROLLBACK')
  expect(await waiting).toMatchObject({ kind: 'created' })
})

test('of two transactions that wait for each other one begins again: both are done', async () => {
  await admin.query("CREATE TABLE pair AS SELECT id, '' AS by FROM unnest(ARRAY[1, 2]) id")
  const db = connect(database.url, 2)
  const append = statement('UPDATE pair SET by = by || @name WHERE id = @id')
  const bothHold = Promise.withResolvers<void>()
  let holding = 0
  let begun = 0
  const change = (name: string, ids: [number, number]) =>
    db.transaction(async (tx) => {
      begun += 1
      await tx.changes(append({ name, id: ids[0] }))
      if (++holding === 2) bothHold.resolve()
      await bothHold.promise
      await tx.changes(append({ name, id: ids[1] }))
    })
  await Promise.all([change('a', [1, 2]), change('b', [2, 1])])
  await db.close()
  expect(begun).toBe(3)
  const { rows } = await admin.query('SELECT by FROM pair')
  expect(rows.map(({ by }) => [...by].sort().join(''))).toEqual(['ab', 'ab'])
})

test('COMMIT that travels with the last statements comes to nothing when one of them fails', async () => {
  await admin.query('CREATE TABLE few AS SELECT 1 AS n; ALTER TABLE few ADD CHECK (n < 9)')
  const db = connect(database.url, 1)
  const add = statement('INSERT INTO few VALUES (@n)')
  const addAll = (ns: number[]) =>
    db.transaction(async (tx) => {
      await tx.changes(add({ n: ns[0] }))
      await tx.last(Promise.all(ns.slice(1).map((n) => tx.changes(add({ n })))))
    })
  await addAll([2, 3, 4])
  await expect(addAll([5, 6, 9])).rejects.toMatchObject({ code: '23514' })
  await expect(addAll([5, 9, 6])).rejects.toMatchObject({ code: '23514' })
  const hiding = db.transaction(async (tx) => await tx.changes(add({ n: 9 })).catch(() => 0))
  await expect(hiding).rejects.toThrow('after it had failed')
  // The connection is as good as before.
  await addAll([7, 8])
  await db.close()
  const { rows } = await admin.query('SELECT n FROM few ORDER BY n')
  expect(rows.map(({ n }) => n)).toEqual([1, 2, 3, 4, 7, 8])
})
