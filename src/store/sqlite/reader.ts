import { Worker } from 'node:worker_threads'
import type { Database } from 'better-sqlite3'
import { MEMORY } from './open.ts'

/** A query as drizzle's `toSQL()` gives it. */
export interface Query {
  sql: string
  params: unknown[]
}

/** Where lists and statistics read, so that a slow one never stops the event loop. */
export interface Reader {
  /** The rows of a query, as objects with these keys for its columns in their order. */
  rows<Row>(keys: readonly string[], query: Query): Promise<Row[]>
  close(): Promise<void>
}

/** Reads in a thread of its own, over a read-only connection. A database in memory has only one, and is read here. */
export function openReader(path: string, db: Database): Reader {
  return path === MEMORY ? readHere(db) : readInThread(path)
}

function readHere(db: Database): Reader {
  return {
    rows: async <Row>(keys: readonly string[], { sql, params }: Query) =>
      named<Row>(
        keys,
        db
          .prepare(sql)
          .raw()
          .all(...params) as unknown[][],
      ),
    close: async () => {},
  }
}

export type ReaderAnswer = { id: number; rows: unknown[][] } | { id: number; error: string }

function readInThread(path: string): Reader {
  const waiting = new Map<number, { resolve: (rows: unknown[][]) => void; reject: (error: Error) => void }>()
  let lastId = 0
  let worker: Worker | null = null
  const failAll = (error: Error): void => {
    worker = null
    for (const caller of waiting.values()) caller.reject(error)
    waiting.clear()
  }
  /** A thread that died (of memory, say) is replaced at the next query. */
  const start = (): Worker => {
    const started = new Worker(new URL('./reader-thread.ts', import.meta.url), { workerData: { path } })
    started.unref()
    started.on('message', (answer: ReaderAnswer) => {
      const caller = waiting.get(answer.id)
      waiting.delete(answer.id)
      if ('rows' in answer) caller?.resolve(answer.rows)
      else caller?.reject(new Error(answer.error))
    })
    started.on('error', (error) => failAll(error as Error))
    started.on('exit', () => failAll(new Error('the reading thread has ended')))
    return started
  }
  return {
    rows: async <Row>(keys: readonly string[], query: Query) => {
      const rows = await new Promise<unknown[][]>((resolve, reject) => {
        lastId += 1
        waiting.set(lastId, { resolve, reject })
        worker ??= start()
        worker.postMessage({ id: lastId, sql: query.sql, params: query.params })
      })
      return named<Row>(keys, rows)
    },
    close: async () => {
      await worker?.terminate()
    },
  }
}

function named<Row>(keys: readonly string[], rows: unknown[][]): Row[] {
  return rows.map((row) => Object.fromEntries(keys.map((key, i) => [key, row[i]])) as Row)
}
