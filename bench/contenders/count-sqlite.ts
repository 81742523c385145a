// Loaded into the service before all else (`node --import`): counts what its writer does, and writes it down at SIGUSR2.
import { renameSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { Counters } from './contender.ts'

const file = process.env.BENCH_COUNTERS ?? ''
let writer: Database.Database | null = null
let commits = 0

function countTransactions(): void {
  const { transaction } = Database.prototype
  Database.prototype.transaction = function (this: Database.Database, work) {
    // The last to ask: whatever was opened before only looked after locks and migrations.
    writer = this
    const begun = transaction.call(this, work)
    const immediate = (...args: unknown[]): unknown => {
      commits += 1
      return begun.immediate(...args)
    }
    return Object.assign((...args: unknown[]) => begun(...args), { immediate })
  } as typeof transaction
}

function write(): void {
  const rowWrites = Number(writer?.prepare('SELECT total_changes()').pluck().get() ?? 0)
  const counters: Omit<Counters, 'syncs'> = { rowWrites, commits }
  writeFileSync(`${file}.new`, JSON.stringify(counters))
  renameSync(`${file}.new`, file)
}

if (isMainThread) {
  countTransactions()
  process.on('SIGUSR2', write)
}
