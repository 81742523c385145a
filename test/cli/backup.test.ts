import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { BUCKET, startS3, stubAwsVariables } from '../files/s3-server.ts'
import { runToExit, type ServiceProcess, startProcess } from '../support/process.ts'
import { startReceiver, status, verified } from '../support/receiver.ts'
import { finished, type JobBody } from '../support/service.ts'
import { clientOf, inFolder, keysOf } from './client.ts'
import { runCommand, startCommand } from './command.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let root: string
let folder: string
let file: string
const running: ServiceProcess[] = []

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'posthorn-backup-'))
  folder = join(root, 'data')
  file = join(root, 'backup.db')
})
afterEach(async () => {
  for (const service of running.splice(0)) await service.end()
  await rm(root, { recursive: true, force: true })
})

async function start(env = inFolder(folder)): Promise<ServiceProcess> {
  const service = await startProcess(env)
  running.push(service)
  return service
}

const backup = (env = inFolder(folder)) => runCommand(['backup', file], env)
const bytes = (size: number) => new Uint8Array(size).map((_, i) => i * 7)
const count = (path: string, table: string) => {
  const db = new Database(path, { readonly: true })
  try {
    return db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number
  } finally {
    db.close()
  }
}

test('what a busy service had accepted when the backup began is there after the restore, and is delivered', async () => {
  await using receiver = await startReceiver()
  receiver.answer = status(503)
  const quickly = {
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiver.port}`,
    POSTHORN_RETRY_SCHEDULE: Array(50).fill('1s').join(','),
  }
  const service = await start({ ...inFolder(folder), ...quickly })
  const keys = await keysOf(folder)
  const client = clientOf(service.url, keys.apiKey)
  const uploaded = await client.upload(bytes(3_000_000))
  const empty = await client.upload(bytes(0))
  const large = 'x'.repeat(300_000)
  const withFile = await client.submit({ type: 'echo', payload: { large } })
  await client.until<JobBody>(`/v1/jobs/${withFile}`, finished)

  const accepted: string[] = []
  let submitting = true
  const submitters = [0, 1, 2, 3].map(async (lane) => {
    for (let n = lane; submitting; n += 4) {
      const body = { type: 'echo', payload: { n, delay_ms: n % 50 }, callback_url: `${receiver.url}/${n}` }
      accepted.push(await client.submit(body))
    }
  })
  await client.until<{ data: object[] }>('/v1/jobs?status=completed&limit=50', ({ data }) => data.length === 50)
  const before = [...accepted]
  const made = await backup({ ...inFolder(folder) })
  submitting = false
  await Promise.all(submitters)
  expect(made).toMatchObject({ code: 0, stderr: '' })
  expect(made.stdout).toMatch(/rows and 3 files \(3\.3 MB\)/)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const copied = count(file, 'jobs')
  expect(copied).toBeGreaterThanOrEqual(before.length + 1)
  expect(copied).toBeLessThan(accepted.length + 1)
  await service.end('SIGKILL')
  const key = await readFile(join(folder, 'encryption.key'), 'utf8')
  expect((await readFile(file)).includes(key.trim())).toBe(false)

  const other = join(root, 'other')
  const restored = await runCommand(['restore', file], inFolder(other))
  expect(restored).toMatchObject({ code: 0, stderr: '' })
  expect(restored.stdout).toContain(`${other}/encryption.key`)
  await copyFile(join(folder, 'encryption.key'), join(other, 'encryption.key'))
  const hitsBefore = receiver.hits.length
  receiver.answer = status(204)
  const again = await start({ ...inFolder(other), ...quickly })
  const reader = clientOf(again.url, keys.apiKey)
  for (const id of before) {
    const job = await reader.until<JobBody>(`/v1/jobs/${id}`, finished)
    expect(job).toMatchObject({ status: 'completed', result: { n: expect.any(Number) } })
  }
  expect(await reader.download(uploaded)).toEqual(Buffer.from(bytes(3_000_000)))
  expect(await reader.download(empty)).toEqual(Buffer.alloc(0))
  expect(await reader.get(`/v1/jobs/${withFile}/result`)).toEqual({ large })
  const delivered = () => {
    const events = receiver.hits.slice(hitsBefore).map((hit) => verified(hit, keys.signingSecret))
    return new Set(events.map(({ data }) => data.id))
  }
  await receiver.waitFor(1, () => new Set(before).isSubsetOf(delivered()), 15_000)
})

describe('with a service that has done little', () => {
  let home: string
  let client: ReturnType<typeof clientOf>
  let service: ServiceProcess
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'posthorn-backup-home-'))
    service = await startProcess(inFolder(home))
    client = clientOf(service.url, (await keysOf(home)).apiKey)
  })
  afterAll(async () => {
    await service.end()
    await rm(home, { recursive: true, force: true })
  })
  const back = (env = {}) => backup({ ...inFolder(home), ...env })
  const restore = (from = file, target = folder) => runCommand(['restore', from], inFolder(target))
  const pathOf = (id: string) => join(home, 'files', id.slice(-2), id)

  describe('a backup', () => {
    test('overwrites nothing', async () => {
      await writeFile(file, 'precious')
      expect(await back()).toMatchObject({ code: 73, stderr: expect.stringContaining('exists already') })
      expect(await readFile(file, 'utf8')).toBe('precious')
      expect(await readdir(root)).toEqual(['backup.db'])
    })

    test('needs a folder to be written to, and a database', async () => {
      file = join(root, 'none/backup.db')
      expect(await back()).toMatchObject({ code: 73, stderr: expect.stringContaining('cannot be made') })
      file = join(root, 'backup.db')
      expect(await back(inFolder(folder))).toMatchObject({
        code: 66,
        stderr: expect.stringContaining('cannot be read'),
      })
      expect(await readdir(root)).toEqual([])
    })

    test('tells of files without bytes, and of those with others than were written; so does its restore', async () => {
      const [whole, lost, damaged] = [bytes(10), bytes(11), bytes(12)].map((data) => client.upload(data))
      const ids = { whole: await whole, lost: await lost, damaged: await damaged }
      await rm(pathOf(`${ids.lost}`))
      await writeFile(pathOf(`${ids.damaged}`), 'other bytes')
      const made = await back()
      expect(made.code).toBe(0)
      expect(made.stderr).toMatch(new RegExp(`1 file without bytes on the disk: ${ids.lost}`))
      expect(made.stderr).toContain(`1 file with other bytes than were written: ${ids.damaged}`)
      const restored = await restore()
      expect(restored.code).toBe(0)
      expect(restored.stderr).toMatch(new RegExp(`1 file without bytes in the backup: ${ids.lost}`))
      expect(restored.stderr).toContain(`1 file with other bytes than were written: ${ids.damaged}`)
      expect(await readdir(join(folder, 'files', `${ids.whole}`.slice(-2)))).toContain(ids.whole)
    })

    test.each(['SIGKILL', 'SIGTERM'] as const)('leaves no file after %s in the middle', async (signal) => {
      const uploads = await Promise.all([1, 2, 3].map(() => client.upload(bytes(15_000_000))))
      const child = startCommand(['backup', file], inFolder(home))
      while (!existsSync(`${file}.partial`)) await new Promise((resolve) => setTimeout(resolve, 1))
      child.kill(signal)
      const [code] = await once(child, 'exit')
      expect(code).not.toBe(0)
      expect(existsSync(file)).toBe(false)
      // What a kill leaves behind is told, as somebody might be writing it.
      expect(existsSync(`${file}.partial`)).toBe(signal === 'SIGKILL')
      if (signal === 'SIGKILL') {
        expect(await back()).toMatchObject({ code: 73, stderr: expect.stringContaining('If none is, remove it') })
        await rm(`${file}.partial`)
      }
      expect(await back()).toMatchObject({ code: 0 })
      for (const id of uploads) await rm(pathOf(id))
    })

    test('is not made when no file is where POSTHORN_FILES says', async () => {
      await client.upload(bytes(10))
      const made = await back({ POSTHORN_FILES: `file:${root}/elsewhere` })
      expect(made).toMatchObject({ code: 65, stderr: expect.stringContaining('POSTHORN_FILES') })
      expect(await readdir(root)).toEqual([])
    })

    test('leaves out files on S3, and says so', async () => {
      const made = await back({ POSTHORN_FILES: 's3://bucket/prefix' })
      expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('Files are on S3 and not in it') })
    })
  })

  test('with --json both say what was copied in one document', async () => {
    const made = await runCommand(['backup', file, '--json'], inFolder(home))
    expect(JSON.parse(made.stdout)).toMatchObject({ file, rows: expect.any(Number), damaged: expect.any(Array) })
    expect(made.stderr).toContain('keep')
    const restored = await runCommand(['restore', file, '--json'], inFolder(folder))
    const { rows, files } = JSON.parse(made.stdout) as Record<string, unknown>
    expect(JSON.parse(restored.stdout)).toMatchObject({ database: join(folder, 'posthorn.db'), rows, files })
    const again = await runCommand(['backup', file, '--json'], inFolder(home))
    expect({ code: again.code, stdout: again.stdout }).toEqual({ code: 73, stdout: '' })
    expect(JSON.parse(again.stderr)).toMatchObject({ detail: expect.stringContaining('exists already'), exit_code: 73 })
  })

  describe('a restore', () => {
    beforeEach(async () => {
      expect(await back()).toMatchObject({ code: 0 })
    })

    test('overwrites no database, nor what belongs to one', async () => {
      for (const name of ['posthorn.db', 'posthorn.db-wal']) {
        await mkdir(folder, { recursive: true })
        await writeFile(join(folder, name), 'precious')
        expect(await restore()).toMatchObject({ code: 73, stderr: expect.stringContaining(`${name} exists already`) })
        expect(await readdir(folder)).toEqual([name])
        expect(await readFile(join(folder, name), 'utf8')).toBe('precious')
        await rm(join(folder, name))
      }
    })

    test('is refused with another key, before anything is written', async () => {
      await mkdir(folder)
      await writeFile(join(folder, 'encryption.key'), Buffer.alloc(32, 1).toString('base64'))
      expect(await restore()).toMatchObject({ code: 78, stderr: expect.stringContaining('encryption key') })
      expect(await readdir(folder)).toEqual(['encryption.key'])
    })

    test('does not start with another key', async () => {
      expect(await restore()).toMatchObject({ code: 0 })
      await writeFile(join(folder, 'encryption.key'), Buffer.alloc(32, 1).toString('base64'))
      const exit = await runToExit(inFolder(folder))
      expect(exit).toMatchObject({ code: 78, stderr: expect.stringContaining('restore data/encryption.key') })
    })

    test('puts files to where they belong now, on S3 for one', async () => {
      const id = await client.upload(bytes(10))
      await rm(file)
      expect(await back()).toMatchObject({ code: 0 })
      stubAwsVariables()
      await using s3 = await startS3()
      const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
      const aws = { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3: s3.endpoint }
      const env = { ...inFolder(folder), ...aws, POSTHORN_FILES: `s3://${BUCKET}/files` }
      expect(await runCommand(['restore', file], env)).toMatchObject({ code: 0 })
      expect(s3.requests.some((request) => request.startsWith(`PUT /${BUCKET}/files/${id}`))).toBe(true)
      vi.unstubAllEnvs()
    })

    test('knows what is not there, no backup, damaged, or of a newer version', async () => {
      expect(await restore(join(root, 'nothing'))).toMatchObject({ code: 66 })
      const noBackup = await restore(join(home, 'posthorn.db'))
      expect(noBackup).toMatchObject({ code: 65, stderr: expect.stringContaining('was not made by posthorn backup') })
      await writeFile(join(root, 'text'), 'no database, '.repeat(100))
      expect(await restore(join(root, 'text'))).toMatchObject({ code: 65 })
      await writeFile(join(root, 'cut'), (await readFile(file)).subarray(0, 40_960))
      expect(await restore(join(root, 'cut'))).toMatchObject({
        code: 65,
        stderr: expect.not.stringContaining('    at '),
      })
      const db = new Database(file)
      db.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run('newer', Date.UTC(2100, 0, 1))
      db.close()
      expect(await restore()).toMatchObject({ code: 69, stderr: expect.stringContaining('newer version') })
      expect(existsSync(folder)).toBe(false)
    })
  })
})
