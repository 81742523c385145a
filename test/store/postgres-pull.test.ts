import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openPostgresStore, type PostgresStore } from '../../src/store/postgres/store.ts'
import { fakeClock } from '../support/clock.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { TENANT } from './fixtures.ts'

const clock = fakeClock()
let database: FreshDatabase
let store: PostgresStore
const clients: pg.Client[] = []

const open = () => openPostgresStore({ url: database.url, poolSize: 4, clock, onFault: () => {} })

beforeEach(async () => {
  database = await freshDatabase()
  store = await open()
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()))
  await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** Another process that writes: its transactions stay open as long as the test wants. */
async function writer(): Promise<pg.Client> {
  const client = new pg.Client(database.url)
  clients.push(client)
  await client.connect()
  return client
}

/** The number is the event's name. */
async function insert(client: pg.Client, n: number): Promise<string> {
  const id = `evt_${String(n).padStart(32, '0')}`
  await client.query(
    'INSERT INTO events (id, tenant_id, type, fan_out, body, traceparent, created_at) VALUES ($1, $2, $3, 0, $4, $5, $6)',
    [id, TENANT, 'a.b', '{}', '-', clock.now()],
  )
  return id
}

/** A reader that goes on behind what it has seen. Tests of other databases write on the same server: that holds it back. */
function reader(limit = 3) {
  const seen: string[] = []
  let after: string | null = null
  async function read(): Promise<{ unsettled: boolean }> {
    for (;;) {
      const { places, unsettled } = await store.events.after(TENANT, after, limit)
      seen.push(...places.map(({ id }) => id))
      after = places.at(-1)?.id ?? after
      if (places.length < limit) return { unsettled }
    }
  }
  return { seen, read, readAll: () => expect.poll(read, { timeout: 10_000 }).toEqual({ unsettled: false }) }
}

test('what commits late is not jumped over: it is shown before what was stored after it began', async () => {
  const [slow, fast] = [await writer(), await writer()]
  const { seen, read, readAll } = reader()
  await slow.query('BEGIN')
  const late = await insert(slow, 1)
  const early = await insert(fast, 2)
  expect(await read()).toEqual({ unsettled: true })
  expect(seen).toEqual([])
  expect(await store.events.latest(TENANT)).toBeNull()
  await slow.query('COMMIT')
  await readAll()
  expect(seen).toEqual([late, early])
})

test('what is rolled back holds nobody back any longer', async () => {
  const [slow, fast] = [await writer(), await writer()]
  const { seen, readAll } = reader()
  await slow.query('BEGIN')
  await insert(slow, 1)
  const id = await insert(fast, 2)
  await slow.query('ROLLBACK')
  await readAll()
  expect(seen).toEqual([id])
})

test('a transaction that has begun and got its number before, but stores its events later, keeps its place', async () => {
  const [slow, fast] = [await writer(), await writer()]
  const { seen, read, readAll } = reader()
  await slow.query('BEGIN')
  await slow.query('SELECT pg_current_xact_id()')
  const first = await insert(fast, 1)
  await read()
  const second = await insert(slow, 2)
  await read()
  expect(seen).toEqual([])
  await slow.query('COMMIT')
  await readAll()
  expect(seen).toEqual([second, first])
})

test('while several write and commit in any order, each event is seen once, and two readers see the same order', async () => {
  const writers = await Promise.all([writer(), writer(), writer()])
  const [one, other] = [reader(2), reader(7)]
  const stored: string[] = []
  let random = 42
  const chance = (of: number): number => {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((random / 2 ** 31) * of)
  }
  const open = new Map<pg.Client, string[]>()
  for (let n = 1; n <= 300; n++) {
    const client = writers[chance(3)] as pg.Client
    const ids = open.get(client)
    if (ids === undefined) await client.query('BEGIN')
    open.set(client, [...(ids ?? []), await insert(client, n)])
    if (chance(3) === 0) {
      const commits = chance(5) > 0
      await client.query(commits ? 'COMMIT' : 'ROLLBACK')
      if (commits) stored.push(...(open.get(client) as string[]))
      open.delete(client)
    }
    if (chance(2) === 0) await one.read()
    if (chance(10) === 0) await other.read()
  }
  for (const [client, ids] of open) {
    await client.query('COMMIT')
    stored.push(...ids)
    await one.read()
  }
  await one.readAll()
  await other.readAll()
  expect(one.seen.length).toBeGreaterThan(100)
  expect(one.seen.toSorted()).toEqual(stored.toSorted())
  expect(new Set(one.seen).size).toBe(one.seen.length)
  expect(other.seen).toEqual(one.seen)
  // Read once more, from the beginning: the order lasts.
  const again = reader(50)
  await again.readAll()
  expect(again.seen).toEqual(one.seen)
})

test('what a dump brought from a server that is ahead is shown, in its order, and a reader goes on where it stood', async () => {
  const [slow, fast] = [await writer(), await writer()]
  await slow.query('BEGIN')
  await slow.query('SELECT pg_current_xact_id()')
  const ids = [await insert(fast, 1), await insert(slow, 2)].reverse()
  await slow.query('COMMIT')
  const { seen, readAll } = reader(1)
  await readAll()
  expect(seen).toEqual(ids)
  // As after pg_restore into a new server: the numbers of the old one are far ahead.
  await slow.query('UPDATE events SET xid = xid + 4000000000')
  expect((await store.events.after(TENANT, null, 10)).places).toEqual([])
  await slow.query("INSERT INTO tenants (id, name, signing_secret, created_at) VALUES ($1, 'default', '-', 0)", [
    TENANT,
  ])
  await using _reopened = await open()
  const [first] = ids
  expect((await store.events.after(TENANT, null, 10)).places.map(({ id }) => id)).toEqual(ids)
  expect((await store.events.after(TENANT, first as string, 10)).places.map(({ id }) => id)).toEqual(ids.slice(1))
  const next = await insert(fast, 3)
  await readAll()
  expect(seen).toEqual([...ids, next])
  await using _again = await open()
  const { rows } = await fast.query<{ xid: string }>('SELECT xid FROM events WHERE id = $1', [next])
  expect(Number(rows[0]?.xid)).toBeGreaterThan(0)
})
