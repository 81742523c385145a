import pg from 'pg'

const CONNECT_MS = 5000

/** Asks a PostgreSQL server over a connection of its own. @throws when it cannot be reached, or does not answer in 5 s */
export async function askServer<T>(url: string, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await ask(client)
  } finally {
    await client.end().catch(() => {})
  }
}
