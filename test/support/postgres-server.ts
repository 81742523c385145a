import { randomBytes, randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, escapeIdentifier } from 'pg'
import { postgresFolder, serverOwner } from './postgres-binaries.ts'
import { createCluster } from './postgres-cluster.ts'
import { type Postmaster, startPostmaster } from './postmaster.ts'

export interface PostgresOptions {
  /** Whether what was committed survives a crash, as PostgreSQL promises by default. False is faster. */
  durable?: boolean
  /** More of what `postgresql.conf` may say. */
  settings?: Record<string, string | number>
}

/** A PostgreSQL server of the tests' own, on 127.0.0.1, with a new data folder. Disposing removes it. */
export interface PostgresServer extends AsyncDisposable {
  port: number
  /** For the superuser, with the password. */
  url(database?: string): string
  /** Creates an empty database, under a random name unless one is given, and returns its URL. */
  createDatabase(name?: string): Promise<string>
  /**
   * Ends the server: SIGKILL is a crash, SIGQUIT one that it notices, SIGINT and SIGTERM are orderly. Resolves when all
   * of its processes are gone and the port is free.
   */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again on the same data and port, after an orderly end unless it has ended. Resolves when it accepts connections. */
  restart(): Promise<void>
  /** All that it has written so far. */
  log(): string
}

const CARELESS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '256MB' }
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 300,
  timezone: 'UTC',
  log_checkpoints: 'off',
}
/** Below those that systems give to outgoing connections: a client that retries could else connect to itself. */
const PORTS = [15_000, 32_000] as const

export async function startPostgresServer({
  durable = false,
  settings = {},
}: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = join(await postgresFolder(), 'bin')
  const owner = serverOwner()
  const password = randomBytes(12).toString('hex')
  const folder = await createCluster({ binaries, owner, password, durable })
  const given = Object.entries({ ...SETTINGS, ...(durable ? {} : CARELESS), ...settings })
  const options = given.flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log: string[] = []
  const start = (port: number): Promise<Postmaster> => {
    const command = [join(binaries, 'postgres'), '-D', join(folder, 'data'), '-p', `${port}`, ...options]
    return startPostmaster({ command, owner, folder, log })
  }
  // What is said of a port that somebody else has is none of it.
  const startAfresh = (port: number): Promise<Postmaster> => {
    log.length = 0
    return start(port)
  }
  let [port, postmaster] = await onFreePort(startAfresh).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  const url = (database = 'postgres'): string =>
    `postgres://postgres:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`
  return {
    port,
    url,
    createDatabase: async (name = randomName()) => {
      const client = new Client(url())
      await client.connect()
      await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`).finally(() => client.end())
      return url(name)
    },
    kill: (signal) => postmaster.end(signal),
    restart: async () => {
      await postmaster.end('SIGINT')
      postmaster = await start(port)
    },
    log: () => log.join('\n'),
    [Symbol.asyncDispose]: async () => {
      await postmaster.end('SIGINT')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** `posthorn_` and what makes it the only one on its server. */
export const randomName = (): string => `posthorn_${randomBytes(6).toString('hex')}`

async function onFreePort(start: (port: number) => Promise<Postmaster>): Promise<[number, Postmaster]> {
  for (;;) {
    const port = randomInt(...PORTS)
    try {
      return [port, await start(port)]
    } catch (error) {
      if (!String(error).includes('Address already in use')) throw error
    }
  }
}
