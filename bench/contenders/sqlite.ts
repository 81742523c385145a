import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import type { Contender, Counters, Stored } from './contender.ts'
import type { Fill } from './fill.ts'
import { readStored } from './read-stored.ts'
import { type RunDatabase, type ServiceOptions, service } from './service.ts'

const COUNTER = join(import.meta.dirname, 'count-sqlite.ts')
const LOOK_MS = 10

/** The service with its embedded database, in a file. */
export function onSqlite(options?: ServiceOptions): Contender {
  return service('sqlite', async (folder) => databaseIn(folder), options)
}

function databaseIn(folder: string): RunDatabase {
  const path = join(folder, 'data', 'posthorn.db')
  const counterFile = join(folder, 'counters.json')
  const syncLog = join(folder, 'syncs.log')
  return {
    url: `file:${path}`,
    read: async (since) => readFrom(path, since),
    fill: async (fill) => fillFile(path, fill),
    cpuUs: async () => null,
    // Without the write-ahead log, which is reused.
    bytes: async () => (await stat(path)).size,
    counting: {
      nodeArgs: ['--import', COUNTER],
      // Stops the process for these two calls only.
      under: [
        'strace',
        '-f',
        '--seccomp-bpf',
        '-qq',
        '-e',
        'trace=fsync,fdatasync',
        '-e',
        'signal=none',
        '-o',
        syncLog,
      ],
      env: { BENCH_COUNTERS: counterFile },
    },
    counters: async (pid) => ({ ...(await askCounters(pid, counterFile)), syncs: await countSyncs(syncLog) }),
    [Symbol.asyncDispose]: async () => {},
  }
}

function readFrom(path: string, since: number): Stored[] {
  const db = new Database(path)
  try {
    return db.prepare(readStored(since)).all() as Stored[]
  } finally {
    db.close()
  }
}

function fillFile(path: string, fill: Fill): void {
  const db = new Database(path)
  try {
    db.pragma('synchronous = OFF')
    const series = (count: number) =>
      `(WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < ${count - 1}) SELECT i FROM g)`
    for (const sql of fill(series, Date.now())) db.exec(sql)
  } finally {
    db.close()
  }
}

async function askCounters(pid: number, file: string): Promise<Omit<Counters, 'syncs'>> {
  await rm(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => null)
    if (text !== null) return JSON.parse(text)
    await delay(LOOK_MS)
  }
}

/** A call that another thread interrupts has two lines, of which one says `resumed`. */
async function countSyncs(log: string): Promise<number> {
  const lines = (await readFile(log, 'utf8')).split('\n')
  return lines.filter((line) => /\b(fsync|fdatasync)\(/.test(line)).length
}
