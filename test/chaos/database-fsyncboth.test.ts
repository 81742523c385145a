import { execFileSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { sleep, startCluster } from './database-cluster.ts'
import { callbacksOf, expectPolite, type Load, startLoad } from './database-load.ts'
import { form, tell } from './form.ts'

const CUTS = form(2, 20)
const READ_MS = 150
const PAUSE_MS = 150
const FAILING_MS = form(4000, 10_000)

/** A database on a disk whose fsync fails, and what of it a power cut would leave (database-fsync.c). */
interface FailingDisk extends AsyncDisposable {
  database: string
  env: Record<string, string>
  fail(on: boolean): Promise<void>
  /** How often fsync has failed so far: of the database, and of its WAL. */
  failed(): Promise<{ database: number; wal: number }>
  /** To be called when nobody has the database open. Returns the path of a copy to look into. */
  cutPower(): Promise<string>
}

/** Null without a compiler. */
async function failingDisk(): Promise<FailingDisk | null> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-fsync-'))
  const library = join(folder, 'fsync.so')
  try {
    const source = join(import.meta.dirname, 'database-fsync.c')
    execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], { stdio: 'pipe' })
  } catch {
    await rm(folder, { recursive: true })
    return null
  }
  const database = join(folder, 'posthorn.db')
  const image = join(folder, 'image')
  return {
    database,
    env: { LD_PRELOAD: library, FSYNC_DATABASE: database, FSYNC_IMAGE: image },
    fail: (on) => (on ? writeFile(`${image}.fail`, '') : rm(`${image}.fail`, { force: true })),
    async failed() {
      const lines = (await readFile(`${image}.log`, 'utf8').catch(() => '')).split('\n')
      const count = (file: string) => lines.filter((line) => line === file).length
      return { database: count('database'), wal: count('wal') }
    },
    async cutPower() {
      await rm(`${database}-shm`, { force: true })
      const copy = join(folder, 'copy.db')
      for (const suffix of ['', '-wal']) {
        await copyFile(image + suffix, database + suffix)
        await copyFile(image + suffix, copy + suffix)
      }
      return copy
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

test.for([
  { what: 'with', reads: false },
  // Checkpoints then go as far as the reader lets them: pages are written that are not in the next fsync's care.
  { what: 'with somebody reading, and', reads: true },
])(
  `fsync fails one time in five, $what ${CUTS} power cuts: nothing that was accepted is lost`,
  {
    timeout: form(90_000, 900_000),
  },
  async ({ reads }, { skip }) => {
    const made = await failingDisk()
    if (made === null) return skip('making a disk that fails needs gcc and ld.so')
    await using disk = made
    const member = { databaseUrl: `file:${disk.database}`, env: disk.env }
    await using cluster = await startCluster([member])
    const load = startLoad({
      urls: () => cluster.urls.slice(-1),
      callbackUrl: cluster.receiver.url,
      clients: 8,
      pauseMs: 2,
      // Large, so that there are checkpoints too.
      filler: 'x'.repeat(20_000),
    })
    for (let cut = 0; cut < CUTS; cut++) {
      const { size } = load.accepted
      await until('jobs are accepted', () => load.accepted.size > size + 50)
      await disk.fail(true)
      const service = cluster.processes.at(-1)
      for (const give = Date.now() + FAILING_MS; Date.now() < give && service?.child.signalCode === null; ) {
        if (reads) await readFor(READ_MS, disk.database)
        else await sleep(READ_MS)
      }
      // Unless it has ended itself: whoever minds it starts it again.
      await service?.end('SIGKILL')
      await disk.fail(false)
      expectRows(await disk.cutPower(), load)
      await cluster.add(member.databaseUrl, member.env)
    }
    await load.stop()
    const { lost, jobs, duplicates } = await callbacksOf(load, cluster)
    const failed = await disk.failed()
    const answered = load.refusals.filter(({ status }) => status !== 0)
    tell('fsync fails', { cuts: CUTS, failed, jobs, lost, duplicates, refused: answered.length })

    // Else nothing was tried.
    expect(failed.wal).toBeGreaterThan(0)
    expect(lost).toBe(0)
    expectPolite(answered)
  },
)

/** As a backup does, and a list that is long. */
async function readFor(ms: number, path: string): Promise<void> {
  const reader = new Database(path, { readonly: true })
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM jobs').get()
  await sleep(ms)
  reader.close()
}

/** Every accepted job has its row. */
function expectRows(path: string, load: Load): void {
  const db = new Database(path)
  const rows = new Set(db.prepare('SELECT id FROM jobs').pluck().all())
  expect([...load.accepted.values()].filter((id) => !rows.has(id))).toEqual([])
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
}
