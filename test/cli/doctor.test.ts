import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { type Environment, startTestService } from '../support/service.ts'
import { runCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

interface Check {
  name: string
  status: 'ok' | 'warning' | 'problem'
  detail: string
  advice: string | null
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-doctor-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const environment = (changes: Environment = {}): Environment => ({
  POSTHORN_PORT: '0',
  POSTHORN_DATABASE_URL: `file:${folder}/posthorn.db`,
  POSTHORN_FILES: `file:${folder}/files`,
  POSTHORN_EGRESS_ALLOW: '127.0.0.1/32:9000',
  ...changes,
})

async function doctor(changes: Environment = {}, ...args: string[]) {
  const { code, stdout } = await runCommand(['doctor', '--json', ...args], environment(changes))
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] }
  const of = (name: string) => checks.filter((check) => check.name === name)
  return { code, ok, checks, of, problems: checks.filter(({ status }) => status === 'problem') }
}

/** Names and contents of all that is there. */
async function contents(): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const read = names.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name)
    return [path, await readFile(path, 'base64')] as const
  })
  return Object.fromEntries(await Promise.all(read))
}

/** A database with a tenant, of a service that has been stopped. */
async function stopped(): Promise<void> {
  const service = await startTestService({}, folder)
  await service[Symbol.asyncDispose]()
}

test('before the first start all is well, and nothing is made', async () => {
  const { code, stdout } = await runCommand(['doctor'], environment())
  expect(code).toBe(0)
  expect(stdout).toMatch(/\nok +database +\S+posthorn\.db will be made at the first start\.\n/)
  expect(stdout).toMatch(/\n0 problems, \d warnings?\.\n$/)
  expect(await readdir(folder)).toEqual([])
})

test('of a stopped service it reads the database, and changes nothing', async () => {
  await stopped()
  const before = await contents()
  const { code, of } = await doctor()
  expect(code).toBe(0)
  expect(of('database')).toMatchObject([{ status: 'ok', detail: expect.stringContaining('its schema is up to date') }])
  expect(of('keys')).toMatchObject([{ status: 'ok', detail: 'They open the secrets of 1 tenant.' }])
  expect(await contents()).toEqual(before)
})

test('a running one is found by its port, and its clock read', async () => {
  const service = await startTestService({}, folder)
  const { code, of } = await doctor({ POSTHORN_PORT: String(service.service.port) })
  expect(code).toBe(0)
  expect(of('port')).toMatchObject([{ status: 'ok', detail: 'A Posthorn is there, and ready.' }])
  expect(of('database')[0]?.detail).toContain('in use by a running process')
  expect(of('clock')).toMatchObject([{ status: 'ok', detail: expect.stringContaining('of the running service') }])
  await service[Symbol.asyncDispose]()
})

test('every mistake of the configuration is told, and the rest is looked at all the same', async () => {
  const { code, ok, of } = await doctor({ POSTHORN_PORT: 'x', POSTHORN_GRACE: 'soon', POSTHORN_DATABSE_URL: 'file:x' })
  expect({ code, ok }).toEqual({ code: 5, ok: false })
  expect(of('configuration')).toMatchObject([
    { status: 'problem', detail: expect.stringContaining('POSTHORN_PORT') },
    { status: 'problem', detail: expect.stringContaining('POSTHORN_GRACE') },
    { status: 'warning', advice: 'Did you mean POSTHORN_DATABASE_URL?' },
  ])
  expect(of('data folder')).toHaveLength(1)
  const crossed = await doctor({ POSTHORN_GRACE: '1s', POSTHORN_HANDLERS: '/nowhere' })
  expect(crossed.problems.map(({ detail }) => detail)).toEqual([
    expect.stringContaining('POSTHORN_GRACE must be longer'),
    'POSTHORN_HANDLERS names /nowhere, which is not there.',
  ])
  const unreadable = await doctor({ POSTHORN_DATABASE_URL: 'postgres://127.0.0.1:1/x' })
  expect(unreadable.checks).toMatchObject([
    { name: 'node' },
    { status: 'problem', detail: expect.stringContaining('POSTHORN_ENCRYPTION_KEYS is needed') },
    { status: 'warning', detail: expect.stringContaining('were not looked at') },
  ])
})

test('who may read what is looked at', async () => {
  await stopped()
  await chmod(folder, 0o755)
  await chmod(join(folder, 'encryption.key'), 0o644)
  const { code, of } = await doctor()
  expect(code).toBe(5)
  expect(of('data folder')).toMatchObject([
    { status: 'warning', advice: `chmod 700 ${folder}` },
    { status: 'problem', advice: `chmod 600 ${folder}/encryption.key` },
  ])
})

test('keys that do not open the secrets, or are gone', async () => {
  await stopped()
  const other = `other:${Buffer.alloc(32, 1).toString('base64')}`
  expect((await doctor({ POSTHORN_ENCRYPTION_KEYS: other })).problems).toMatchObject([{ name: 'keys' }])
  await rm(join(folder, 'encryption.key'))
  expect((await doctor()).problems).toMatchObject([
    { name: 'keys', detail: expect.stringContaining('There is no encryption key') },
  ])
})

test('a database that is none, of a newer version, or of an older one that migrate brings up to date', async () => {
  const path = join(folder, 'posthorn.db')
  await stopped()
  const change = (sql: string) => {
    const db = new Database(path)
    db.exec(sql)
    db.close()
  }
  change('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (1, 9999999999999)')
  expect((await doctor()).problems).toMatchObject([{ detail: expect.stringContaining('newer version') }])
  await rm(path)
  await writeFile(path, 'no database at all')
  expect((await doctor()).problems).toMatchObject([
    { name: 'database', detail: expect.stringContaining('cannot be read') },
  ])
  await rm(path)
  new Database(path).exec('CREATE TABLE t (a)').close()
  expect((await doctor()).of('database')).toMatchObject([
    { status: 'warning', advice: expect.stringContaining('posthorn migrate') },
  ])
  const migrate = (...args: string[]) => runCommand(['migrate', ...args], environment())
  expect(await migrate()).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^The schema was brought from 0 to \d+\.\n$/),
  })
  expect(await migrate()).toMatchObject({ code: 0, stdout: expect.stringContaining('up to date') })
  expect(JSON.parse((await migrate('--json')).stdout)).toEqual({ applied: 0, version: expect.any(Number) })
  expect((await doctor()).of('database')).toMatchObject([{ status: 'ok' }])
})

test('a clock that went back shows in the database', async () => {
  await stopped()
  const db = new Database(join(folder, 'posthorn.db'))
  const ahead = (Date.now() + 3_600_000).toString(16).padStart(12, '0')
  db.prepare('UPDATE tenants SET id = ?').run(`ten_${ahead}7000a33365d1a2ff6b3b`)
  db.close()
  const { of } = await doctor()
  expect(of('clock')).toMatchObject([{ status: 'problem', detail: expect.stringContaining('the clock went back') }])
})

test('a port that another program holds, and a Posthorn that is not ready', async () => {
  const other = await startReceiver()
  const taken = await doctor({ POSTHORN_PORT: String(other.port) })
  expect(taken.problems).toMatchObject([{ name: 'port', detail: expect.stringContaining('is held by a program') }])
  other.answer = (_hit, response) =>
    response.writeHead(503).end('{"status":"unavailable","checks":{"database":"disk full","worker":"ok"}}')
  const unready = await doctor({ POSTHORN_PORT: String(other.port) })
  expect(unready.problems).toMatchObject([
    { name: 'port', detail: 'A Posthorn is there, and not ready: database: disk full.' },
  ])
  await other[Symbol.asyncDispose]()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const free = await doctor({ POSTHORN_PORT: String(port) })
  expect(free.of('port')).toMatchObject([{ status: 'ok', detail: expect.stringContaining('is free') }])
})

test('what POSTHORN_EGRESS_ALLOW opens is told, and more than may be meant', async () => {
  const { of } = await doctor({ POSTHORN_EGRESS_ALLOW: '127.0.0.1/32:9000-9010,10.0.0.0/8:443,192.168.1.0/24' })
  expect(of('egress').map(({ status, detail }) => `${status}: ${detail}`)).toEqual([
    'ok: POSTHORN_EGRESS_ALLOW opens 127.0.0.1/32 on ports 9000 to 9010.',
    'warning: POSTHORN_EGRESS_ALLOW opens 10.0.0.0/8 on port 443.',
    'warning: POSTHORN_EGRESS_ALLOW opens 192.168.1.0/24 on every port.',
  ])
  expect(of('dns')).toHaveLength(1)
})

test('a folder that cannot be made', async () => {
  await writeFile(join(folder, 'file'), '')
  await mkdir(join(folder, 'data'), { mode: 0o700 })
  const { problems } = await doctor({ POSTHORN_DATABASE_URL: `file:${folder}/file/data/posthorn.db` })
  expect(problems).toMatchObject([{ name: 'data folder' }])
})
