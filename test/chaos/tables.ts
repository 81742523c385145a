import Database from 'better-sqlite3'
import { Client } from 'pg'

/** What the tables of a cluster say, asked past the service. The statements are those both engines understand. */
export interface Tables extends AsyncDisposable {
  rows<Row>(sql: string): Promise<Row[]>
  /** Of a statement with one row and one column. */
  number(sql: string): Promise<number>
}

export async function postgresTables(url: string): Promise<Tables> {
  const client = new Client(url)
  await client.connect()
  const rows = async <Row>(sql: string) => (await client.query(sql)).rows as Row[]
  return { rows, number: (sql) => only(rows(sql)), [Symbol.asyncDispose]: () => client.end() }
}

/** Opened for each statement, so that it is there as soon as the service has made it. */
export function sqliteTables(path: string): Tables {
  const rows = async <Row>(sql: string) => {
    const db = new Database(path, { readonly: true })
    try {
      return db.prepare(sql).all() as Row[]
    } finally {
      db.close()
    }
  }
  return { rows, number: (sql) => only(rows(sql)), [Symbol.asyncDispose]: async () => {} }
}

async function only(rows: Promise<object[]>): Promise<number> {
  return Number(Object.values((await rows)[0] ?? {})[0])
}
