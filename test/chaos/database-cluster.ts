import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { ENCRYPTION_KEYS } from '../support/engine.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, API_KEY, type Environment, SIGNING_SECRET } from '../support/service.ts'

/** Names a process on all requests it sends, in the header `x-sent-by`. */
export const named = (name: string): Environment => ({
  CHAOS_NAME: name,
  NODE_OPTIONS: `--require ${join(import.meta.dirname, 'database-preload.cjs')}`,
})

/** How soon a service must work again when its database does (ABUSE §6.7). */
export const RESUME_MS = 10_000
/** How soon every call must be answered, whatever has become of the database (ABUSE §6.7). */
export const ANSWER_MS = 5000

/** The service as processes of its own on one database, and a receiver of its callbacks. */
export interface Cluster extends AsyncDisposable {
  processes: ServiceProcess[]
  urls: string[]
  receiver: Receiver
  /** One more process on this database. */
  add(databaseUrl: string, env?: Environment): Promise<ServiceProcess>
}

/** @param members The database's URL of each process, and what else it is told */
export async function startCluster(members: { databaseUrl: string; env?: Environment }[]): Promise<Cluster> {
  const receiver = await startReceiver()
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-chaos-'))
  const processes: ServiceProcess[] = []
  const urls: string[] = []
  let over = false
  const cluster: Cluster = {
    processes,
    urls,
    receiver,
    async add(databaseUrl, env = {}) {
      const started = await startProcess({ ...environment(databaseUrl, folder, receiver.port), ...env })
      // Its test has run out of time meanwhile.
      if (over) await started.end()
      processes.push(started)
      urls.push(started.url)
      return started
    },
    async [Symbol.asyncDispose]() {
      over = true
      await Promise.all(processes.map((one) => one.end()))
      await receiver[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    // The first one makes the schema; what the others tell of a start that failed is then their own fault.
    for (const { databaseUrl, env } of members) await cluster.add(databaseUrl, env)
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

export function environment(databaseUrl: string, folder: string, receiverPort: number): Environment {
  return {
    POSTHORN_PORT: '0',
    POSTHORN_DATABASE_URL: databaseUrl,
    POSTHORN_DATABASE_POOL: '6',
    POSTHORN_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiverPort}`,
    POSTHORN_POLL_LIMIT: '100000',
  }
}

/** The first row of a query, asked on a connection of its own. */
export async function ask<Row extends object>(url: string, sql: string, values: unknown[] = []): Promise<Row> {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows[0] as Row
  } finally {
    await client.end()
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
