import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { escapeIdentifier, Pool } from 'pg'

/** All that a database holds, to be searched: the bytes of SQLite's files, or every row of every table as PostgreSQL writes it. */
export async function dump(databaseUrl: string): Promise<Buffer> {
  if (databaseUrl.startsWith('file:')) {
    const path = databaseUrl.slice('file:'.length)
    const names = (await readdir(dirname(path))).filter((name) => name.startsWith(basename(path)))
    return Buffer.concat(await Promise.all(names.map((name) => readFile(join(dirname(path), name)))))
  }
  const pool = new Pool({ connectionString: databaseUrl, max: 1 })
  try {
    const { rows } = await pool.query<{ schema: string; name: string }>(
      `SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    )
    const texts: string[] = []
    for (const { schema, name } of rows) {
      const table = `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`
      const found = await pool.query<{ row: string }>(`SELECT t::text AS row FROM ${table} t`)
      texts.push(...found.rows.map(({ row }) => row))
    }
    return Buffer.from(texts.join('\n'))
  } finally {
    await pool.end()
  }
}
