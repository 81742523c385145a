import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { ReaderAnswer } from './reader.ts'

const db = new Database((workerData as { path: string }).path, { readonly: true })

parentPort?.on('message', ({ id, sql, params }: { id: number; sql: string; params: unknown[] }) => {
  parentPort?.postMessage(answer(id, sql, params))
})

function answer(id: number, sql: string, params: unknown[]): ReaderAnswer {
  try {
    return {
      id,
      rows: db
        .prepare(sql)
        .raw()
        .all(...params) as unknown[][],
    }
  } catch (error) {
    return { id, error: String(error) }
  }
}
