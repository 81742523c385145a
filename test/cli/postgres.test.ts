import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { ENCRYPTION_KEYS } from '../support/engine.ts'
import type { Environment } from '../support/service.ts'
import { runCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let database: FreshDatabase
beforeEach(async () => {
  database = await freshDatabase()
})
afterEach(() => database[Symbol.asyncDispose]())

const environment = (changes: Environment = {}): Environment => ({
  POSTHORN_PORT: '0',
  POSTHORN_DATABASE_URL: database.url,
  POSTHORN_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
  ...changes,
})

async function checks(changes: Environment = {}) {
  const { code, stdout } = await runCommand(['doctor', '--json'], environment(changes))
  return { code, checks: (JSON.parse(stdout) as { checks: unknown[] }).checks }
}

test('migrate makes the schema of a PostgreSQL database, once, and the doctor sees it', async () => {
  const before = await checks()
  expect(before.code).toBe(0)
  expect(before.checks).toContainEqual(
    expect.objectContaining({ name: 'database', status: 'warning', detail: expect.stringContaining('no schema yet') }),
  )
  const runs = await Promise.all([1, 2].map(() => runCommand(['migrate', '--json'], environment())))
  expect(runs.map(({ code }) => code)).toEqual([0, 0])
  const again = await runCommand(['migrate'], environment())
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('The schema is up to date') })
  const after = await checks()
  expect(after.checks).toContainEqual(expect.objectContaining({ name: 'database', status: 'ok' }))
  expect(after.checks).toContainEqual(
    expect.objectContaining({ name: 'clock', status: 'ok', detail: expect.stringContaining('of the database server') }),
  )
})

test('a server that is away is told by both, without its password', async () => {
  const away = { POSTHORN_DATABASE_URL: 'postgres://me:geheim@127.0.0.1:1/posthorn' }
  const migrated = await runCommand(['migrate', '--json'], environment(away))
  expect(migrated).toMatchObject({ code: 69, stdout: '' })
  const found = await checks(away)
  expect(found.code).toBe(5)
  expect(found.checks).toContainEqual(expect.objectContaining({ name: 'database', status: 'problem' }))
  expect(migrated.stderr + JSON.stringify(found.checks)).not.toContain('geheim')
})
