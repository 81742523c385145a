import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { StoreUnavailableError } from '../../src/errors.ts'
import { GroupCommit } from '../../src/store/sqlite/group-commit.ts'

let db: Database.Database
let writer: GroupCommit
let statements: unknown[]

beforeEach(() => {
  statements = []
  db = new Database(':memory:', { verbose: (sql) => statements.push(sql) })
  db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)')
  writer = new GroupCommit(db)
})
afterEach(() => db.close())

const insert = (n: number) => writer.run(() => db.prepare('INSERT INTO t VALUES (?)').run(n).changes)
const rows = () => db.prepare('SELECT n FROM t ORDER BY n').pluck().all()

test('writes of one turn share a transaction', async () => {
  await Promise.all([insert(1), insert(2), insert(3)])
  expect(rows()).toEqual([1, 2, 3])
  expect(statements.filter((sql) => sql === 'COMMIT')).toHaveLength(1)
})

test('nobody is answered before the commit', async () => {
  const seen = insert(1).then(() => db.inTransaction)
  expect(await seen).toBe(false)
  expect(rows()).toEqual([1])
})

test('one that fails is told, and the others are written all the same', async () => {
  const results = await Promise.allSettled([insert(1), insert(2), insert(1), insert(3)])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  expect(rows()).toEqual([1, 2, 3])
})

test('one that fails leaves nothing of itself behind', async () => {
  const half = writer.run(() => {
    db.prepare('INSERT INTO t VALUES (7)').run()
    throw new Error('in the middle')
  })
  await expect(Promise.all([insert(1), half])).rejects.toThrow('in the middle')
  await insert(2)
  expect(rows()).toEqual([1, 2])
})

test('more than a group holds is written in several', async () => {
  await Promise.all(Array.from({ length: 1000 }, (_, n) => insert(n)))
  expect(rows()).toHaveLength(1000)
})

test('a full disk is told as a store that is not available, and room makes it work again', async () => {
  db.pragma('max_page_count = 2')
  const blob = () => writer.run(() => db.exec('CREATE TABLE big AS SELECT zeroblob(100000) AS b'))
  await expect(blob()).rejects.toBeInstanceOf(StoreUnavailableError)
  expect(db.inTransaction).toBe(false)
  db.pragma('max_page_count = 1000')
  await expect(blob()).resolves.toBeDefined()
})
