import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { call } from './database-calls.ts'
import { RESUME_MS, sleep, startCluster } from './database-cluster.ts'
import { callbacksOf, expectPolite, type Load, startLoad } from './database-load.ts'
import { form, tell } from './form.ts'

const DISK_MIB = form(8, 32)
const FULL_MS = form(3000, 30_000)
const SLOW_JOBS = 10
/** Longer than the disk takes to fill up, so that they end while it is full. */
const SLOW_JOB_MS = 2500

interface SmallDisk extends AsyncDisposable {
  path: string
  /** Leaves no byte for others. */
  fill(): void
  free(): Promise<void>
}

/** Null when we may not mount one. */
async function smallDisk(): Promise<SmallDisk | null> {
  const path = await mkdtemp(join(tmpdir(), 'posthorn-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'posthorn', path], { stdio: 'pipe' })
  } catch {
    await rm(path, { recursive: true })
    return null
  }
  const filler = join(path, 'filler')
  return {
    path,
    fill() {
      const file = openSync(filler, 'a')
      try {
        for (const chunk = Buffer.alloc(4096); ; ) writeSync(file, chunk)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      } finally {
        closeSync(file)
      }
    },
    free: () => rm(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      // At once, though a process that is being killed may still be in it.
      execFileSync('umount', ['-l', path])
      await rm(path, { recursive: true })
    },
  }
}

test('a full disk is answered with 503; when it has room again all goes on, and what ended meanwhile is kept', {
  timeout: 120_000,
}, async ({ skip }) => {
  const mounted = await smallDisk()
  if (mounted === null) return skip('mounting a small disk needs root')
  await using disk = mounted
  const path = join(disk.path, 'posthorn.db')
  const env = { POSTHORN_FILES: `file:${disk.path}/files` }
  await using cluster = await startCluster([{ databaseUrl: `file:${path}`, env }])
  const { receiver } = cluster
  const [url] = cluster.urls as [string]
  // Attempts, too, are under way when the disk becomes full.
  receiver.answer = (_hit, response) => setTimeout(() => response.end(), 300)
  const load = startLoad({
    urls: () => cluster.urls,
    callbackUrl: receiver.url,
    delayMs: (n) => (n < SLOW_JOBS ? SLOW_JOB_MS : n % 20),
    filler: 'x'.repeat(4000),
  })
  await until('the slow jobs run', () => load.accepted.size > 2 * SLOW_JOBS)

  disk.fill()
  await until('it is full', () => load.refusals.length > 0)
  const fullAt = Date.now()
  const accepted = load.accepted.size
  await sleep(FULL_MS)
  const [health, ready, list, upload] = await Promise.all([
    call('', url, '/healthz'),
    call('', url, '/readyz'),
    call('', url, '/v1/jobs'),
    call('', url, '/v1/files', { method: 'POST', body: 'x'.repeat(100_000), headers: { 'content-type': 'a/b' } }),
  ])
  const slow = Array.from({ length: SLOW_JOBS }, (_, n) => load.accepted.get(n))
  const acceptedWhenFull = load.accepted.size - accepted
  const freedAt = Date.now()
  await disk.free()
  const { size } = load.accepted
  await until('jobs are accepted again', () => load.accepted.size > size, 3 * RESUME_MS)
  const resumedMs = Date.now() - freedAt
  await sleep(500)
  await load.stop()
  const { repeatedAt, ...figures } = await callbacksOf(load, cluster)
  const oldest = receiver.hits.filter(({ body }) => slow.some((id) => id !== undefined && body.includes(id)))
  const outcomesMs = Math.max(...oldest.map(({ at }) => at - freedAt))
  const fullMs = freedAt - fullAt
  const refused = load.refusals.length
  tell('disk full', { ...figures, fullMs, acceptedWhenFull, refused, slowestMs: load.slowestMs, resumedMs, outcomesMs })

  expect([health.status, ready.status, list.status, upload.status]).toEqual([200, 503, 200, 503])
  expect((JSON.parse(ready.text) as { checks: { database: string } }).checks.database).not.toBe('ok')
  expectPolite(load.refusals)
  expect(resumedMs).toBeLessThan(RESUME_MS)
  // Else none ended while the disk was full.
  expect(outcomesMs).toBeGreaterThan(0)
  expect(outcomesMs).toBeLessThan(RESUME_MS)
  expect(figures).toMatchObject({ lost: 0, duplicates: 0 })
  await cluster.processes[0]?.end('SIGKILL')
  expectRows(path, load)
  // Nothing was done twice for want of a place to write that it was done.
  expect(ask(path, 'SELECT count(*) FROM jobs WHERE attempt <> 1')).toBe(0)
  expect(ask(path, "SELECT count(*) FROM attempts WHERE outcome <> 'delivered'")).toBe(0)
})

test('what was answered with 202 on a disk that became full is there after kill -9', {
  timeout: 120_000,
}, async ({ skip }) => {
  const mounted = await smallDisk()
  if (mounted === null) return skip('mounting a small disk needs root')
  await using disk = mounted
  const path = join(disk.path, 'posthorn.db')
  await using cluster = await startCluster([{ databaseUrl: `file:${path}` }])
  const load = startLoad({
    urls: () => cluster.urls.slice(-1),
    callbackUrl: cluster.receiver.url,
    filler: 'x'.repeat(4000),
  })
  const kills = form(1, 10)
  for (let kill = 0; kill < kills; kill++) {
    const { size } = load.accepted
    const refused = load.refusals.length
    await until('jobs are accepted', () => load.accepted.size > size + 30)
    disk.fill()
    await until('it is full', () => load.refusals.length > refused + 5)
    await cluster.processes.at(-1)?.end('SIGKILL')
    await disk.free()
    expectRows(path, load)
    await cluster.add(`file:${path}`)
  }
  await load.stop()
  const { lost, jobs, duplicates } = await callbacksOf(load, cluster)
  tell('disk full and kill -9', { kills, jobs, lost, duplicates, refused: load.refusals.length })
  expect(lost).toBe(0)
  expectPolite(load.refusals.filter(({ status }) => status !== 0))
})

/** Every accepted job has its row, asked past the service. */
function expectRows(path: string, load: Load): void {
  const db = new Database(path, { readonly: true })
  const rows = new Set(db.prepare('SELECT id FROM jobs').pluck().all())
  expect([...load.accepted.values()].filter((id) => !rows.has(id))).toEqual([])
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
}

function ask(path: string, sql: string): unknown {
  const db = new Database(path, { readonly: true })
  try {
    return db.prepare(sql).pluck().get()
  } finally {
    db.close()
  }
}
