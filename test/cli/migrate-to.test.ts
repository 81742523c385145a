import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import type { DeadLetterBody, DeliveryBody } from '../support/deliveries.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { type Receiver, startReceiver, verified } from '../support/receiver.ts'
import { finished, type JobBody } from '../support/service.ts'
import { clientOf, inFolder, type Keys, keysOf } from './client.ts'
import { runCommand, startCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let root: string
/** A service with work in every state, killed. Tests have a copy of it. */
let killed: string
let folder: string
let keys: Keys
let target: FreshDatabase
let receiver: Receiver
let left: Record<'keyed' | 'slow' | 'ready' | 'scheduled' | 'pending' | 'large' | 'file', string>
const running: ServiceProcess[] = []
/** What the receiver answers, by path; else 200. */
const answers = new Map([
  ['/pending', 503],
  ['/dead', 410],
])

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'posthorn-migrate-'))
  killed = join(root, 'killed')
  receiver = await startReceiver()
  // A body that is no text: bytes are kept as they are.
  receiver.answer = ({ path }, response) => response.writeHead(answers.get(path) ?? 200).end(Buffer.from([0, 255]))
  const service = await startProcess({ ...inFolder(killed), ...quickly(), POSTHORN_JOB_CONCURRENCY: '1' })
  keys = await keysOf(killed)
  left = await workInEveryState(clientOf(service.url, keys.apiKey))
  await service.end('SIGKILL')
  // PostgreSQL's text holds no NUL.
  const db = new Database(join(killed, 'posthorn.db'))
  db.prepare('UPDATE jobs SET message = ? WHERE id = ?').run('before\0after', left.keyed)
  db.close()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'copy-'))
  await cp(killed, folder, { recursive: true })
  target = await freshDatabase()
})
afterEach(async () => {
  for (const service of running.splice(0)) await service.end()
  await target[Symbol.asyncDispose]()
})

function quickly() {
  return {
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiver.port}`,
    POSTHORN_RETRY_SCHEDULE: Array(50).fill('1s').join(','),
  }
}

async function workInEveryState(client: ReturnType<typeof clientOf>): Promise<typeof left> {
  const echo = (path: string | null, payload: object, more: object = {}) => ({
    type: 'echo',
    payload,
    ...(path && { callback_url: receiver.url + path }),
    ...more,
  })
  const file = await client.upload(new Uint8Array(70_000))
  const keyed = await client.submit(echo('/delivered', { nul: 'a\0b' }), 'the-key')
  const dead = await client.submit(echo('/dead', {}))
  const pending = await client.submit(echo('/pending', { file_id: file }))
  const large = await client.submit(echo(null, { large: 'x'.repeat(300_000) }))
  const settled = (id: string, status: string) =>
    client.until<{ data: DeliveryBody[] }>(`/v1/deliveries?job_id=${id}`, ({ data }) => data[0]?.status === status)
  await settled(keyed, 'delivered')
  await settled(dead, 'dead')
  await client.until<JobBody>(`/v1/jobs/${large}`, finished)
  const slow = await client.submit(echo(null, { delay_ms: 60_000 }))
  await client.until<JobBody>(`/v1/jobs/${slow}`, ({ status }) => status === 'processing')
  const ready = await client.submit(echo('/ready', {}))
  const scheduled = await client.submit(echo('/scheduled', {}, { run_at: new Date(Date.now() + 3_600_000) }))
  return { keyed, slow, ready, scheduled, pending, large, file }
}

const migrate = (env = {}) => runCommand(['migrate-to', target.url], { ...inFolder(folder), ...env })
/** As the command tells to start it. */
async function startOnTarget(): Promise<ServiceProcess> {
  const { stdout } = await runCommand(['migrate-to', target.url], inFolder(folder))
  const [, expression] = /POSTHORN_ENCRYPTION_KEYS=(".*")/.exec(stdout) ?? []
  const service = await startProcess({
    ...inFolder(folder),
    ...quickly(),
    POSTHORN_DATABASE_URL: target.url,
    POSTHORN_ENCRYPTION_KEYS: shell(`printf %s ${expression}`),
  })
  running.push(service)
  return service
}
const shell = (command: string) => execFileSync('sh', ['-c', command], { encoding: 'utf8' })
async function query<T>(sql: string): Promise<T[]> {
  const client = new Client(target.url)
  await client.connect()
  try {
    return (await client.query(sql)).rows as T[]
  } finally {
    await client.end()
  }
}

test('what SQLite held goes on where it was on PostgreSQL', async () => {
  expect(await migrate()).toMatchObject({ code: 0, stderr: '' })
  const service = await startOnTarget()
  const client = clientOf(service.url, keys.apiKey)
  const admin = clientOf(service.url, keys.adminKey)
  const before = receiver.hits.length

  expect(
    await client.submit(
      { type: 'echo', payload: { nul: 'a\0b' }, callback_url: `${receiver.url}/delivered` },
      'the-key',
    ),
  ).toBe(left.keyed)
  expect(await client.get(`/v1/jobs/${left.keyed}`)).toMatchObject({
    result: { nul: 'a\0b' },
    message: 'before\uFFFDafter',
  })
  expect(await client.get(`/v1/jobs/${left.large}/result`)).toEqual({ large: 'x'.repeat(300_000) })
  expect(await client.download(left.file)).toEqual(Buffer.alloc(70_000))
  expect(await client.get(`/v1/jobs/${left.scheduled}`)).toMatchObject({ status: 'pending' })
  expect(await client.until<JobBody>(`/v1/jobs/${left.ready}`, finished)).toMatchObject({ status: 'completed' })
  await client.until<JobBody>(
    `/v1/jobs/${left.slow}`,
    ({ status, attempt }) => status === 'processing' && attempt === 1,
  )

  answers.set('/pending', 200)
  answers.set('/dead', 200)
  const { data } = await admin.get<{ data: DeadLetterBody[] }>('/v1/admin/dead-letters')
  expect(data).toMatchObject([{ reason: 'gone' }])
  await admin.call(`/v1/admin/dead-letters/${data[0]?.id}/replay`, { method: 'POST' })
  for (const path of ['/ready', '/pending', '/dead']) {
    const [hit] = await receiver.waitFor(1, (hit) => hit.path === path && receiver.hits.indexOf(hit) >= before)
    expect(verified(hit as NonNullable<typeof hit>, keys.signingSecret).type).toBe('job.completed')
  }
  const [newest] = await query<{ first: boolean }>(
    'SELECT seq > 3 AS first FROM events ORDER BY created_at DESC, seq DESC LIMIT 1',
  )
  expect(newest?.first).toBe(true)
})

test('a second run changes nothing; tables are counted', async () => {
  const first = await migrate()
  expect(first.code).toBe(0)
  const counts = (stdout: string) => stdout.split('\n').filter((line) => /^\w+ +\d+ +\d+$/.test(line))
  expect(counts(first.stdout)).toContainEqual(expect.stringMatching(/^jobs +7 +7$/))
  expect(counts(first.stdout)).toContainEqual(expect.stringMatching(/^attempts +[1-9]\d* +/))
  expect(counts(first.stdout)).toContainEqual(expect.stringMatching(/^file_refs +1 +1$/))
  for (const line of counts(first.stdout)) expect(line).toMatch(/ (\d+) +\1$/)
  expect(first.stdout).not.toContain('workers')
  const rows = () => query('SELECT md5(string_agg(t::text, $$,$$ ORDER BY id)) FROM jobs t')
  const copied = await rows()
  const second = await migrate()
  expect(second.code).toBe(0)
  expect(counts(second.stdout)).toEqual(counts(first.stdout))
  expect(await rows()).toEqual(copied)
})

test('killed in the middle and repeated, it ends the same', async () => {
  const db = new Database(join(folder, 'posthorn.db'))
  db.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
      INSERT INTO job_events (job_id, seq, progress, message, at) SELECT 'job_x', i, 1, 'much of it', i FROM n`,
  ).run()
  db.close()
  const child = startCommand(['migrate-to', target.url], inFolder(folder))
  const copied = async () => {
    const [row] = await query<{ count: string }>('SELECT count(*) FROM job_events').catch(() => [])
    return Number(row?.count ?? 0)
  }
  while ((await copied()) === 0) expect(child.exitCode).toBe(null)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await copied()).toBeLessThan(100_000)
  expect(await migrate()).toMatchObject({ code: 0, stdout: expect.stringMatching(/job_events +100,000 +100,000\n/) })
})

test('a running service is not copied', async () => {
  running.push(await startProcess(inFolder(folder)))
  expect(await migrate()).toMatchObject({ code: 69, stderr: expect.stringContaining('Another Posthorn process') })
})

test('a target that was used for something else is refused, with what differs', async () => {
  const other = await startProcess({
    ...inFolder(folder),
    POSTHORN_DATABASE_URL: target.url,
    POSTHORN_ENCRYPTION_KEYS: `other:${Buffer.alloc(32, 1).toString('base64')}`,
  })
  expect(await migrate()).toMatchObject({ code: 69, stderr: expect.stringContaining('runs on the target') })
  await other.end('SIGTERM')
  const { code, stderr } = await migrate()
  expect({ code, stderr }).toEqual({ code: 65, stderr: expect.stringMatching(/tenants: 1 row, ten_\w+/) })
  expect(await query('SELECT id FROM jobs')).toEqual([])
})

test('a source that went on after it was copied is refused, with what differs', async () => {
  expect(await migrate()).toMatchObject({ code: 0 })
  const db = new Database(join(folder, 'posthorn.db'))
  db.prepare("UPDATE jobs SET status = 'cancelled' WHERE id = ?").run(left.scheduled)
  db.close()
  expect(await migrate()).toMatchObject({ code: 65, stderr: expect.stringContaining(`jobs: 1 row, ${left.scheduled}`) })
})

test('a key that opens nothing is refused before the target is touched', async () => {
  const wrong = { POSTHORN_ENCRYPTION_KEYS: `other:${Buffer.alloc(32, 1).toString('base64')}` }
  expect(await migrate(wrong)).toMatchObject({ code: 78, stderr: expect.stringContaining('encryption key') })
  await rm(join(folder, 'encryption.key'))
  expect(await migrate()).toMatchObject({ code: 78, stderr: expect.stringContaining('There is no encryption key') })
  expect(await query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")).toEqual([])
})

test('what it prints names neither the key nor the password', async () => {
  const { stdout, stderr } = await migrate()
  expect(stdout + stderr).not.toContain((await readFile(join(folder, 'encryption.key'), 'utf8')).trim())
  expect(stdout + stderr).not.toContain(new URL(target.url).password)
})

test('mistakes are told', async () => {
  expect(await runCommand(['migrate-to', 'mysql://x/y'], inFolder(folder))).toMatchObject({ code: 64 })
  const nowhere = inFolder(join(root, 'nowhere'))
  expect(await runCommand(['migrate-to', target.url], nowhere)).toMatchObject({ code: 66 })
  const unreachable = await runCommand(['migrate-to', 'postgres://u:secret@127.0.0.1:1/x'], inFolder(folder))
  expect(unreachable).toMatchObject({ code: 69, stderr: expect.not.stringContaining('secret') })
})
