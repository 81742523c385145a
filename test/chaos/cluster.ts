import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ENCRYPTION_KEYS } from '../support/engine.ts'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { ADMIN_KEY, API_KEY, type Environment, SIGNING_SECRET } from '../support/service.ts'
import { postgresTables, sqliteTables, type Tables } from './tables.ts'

export interface ClusterOptions {
  /** SQLite has one process at a time. */
  engine?: 'postgres' | 'sqlite'
  /** For every process. */
  env?: Environment
}

/** A process of a cluster, under a name by which the database knows its connections. */
export interface Member extends ServiceProcess {
  name: string
}

/** Real processes of the service on one database that keeps what it commits. Disposing kills them. */
export interface Cluster extends AsyncDisposable {
  /** Those that are to be asked: started, and not about to end. */
  members: ReadonlySet<Member>
  tables: Tables
  /** The URL of the database. */
  place: string
  /** What its processes are started with. */
  env: Environment
  /** Null with SQLite. */
  server: PostgresServer | null
  /** Rejects when it is not ready at once. */
  start(env?: Environment): Promise<Member>
  /** A random one of the living; there must be one. */
  any(): Member
  /** Ends it; from now on nobody asks it. Returns its exit code, null after a kill. */
  end(member: Member, signal: NodeJS.Signals): Promise<number | null>
  /** Kills it. Returns the webhook-ids that were on their way: these may come again. */
  kill(member: Member): Promise<string[]>
  /** Errors that PostgreSQL has logged, e.g. deadlocks. */
  complaints(): string[]
  /** The worker by whose name it holds its claims now. */
  workerOf(member: Member): Promise<string | null>
}

export async function startCluster({ engine = 'postgres', env = {} }: ClusterOptions = {}): Promise<Cluster> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-chaos-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const server = engine === 'postgres' ? stack.use(await startPostgresServer({ durable: true })) : null
  const url = server === null ? `file:${folder}/posthorn.db` : await server.createDatabase()
  const tables = stack.use(server === null ? sqliteTables(`${folder}/posthorn.db`) : await postgresTables(url))
  const started = new Set<Member>()
  stack.defer(async () => {
    await Promise.all([...started].map((member) => member.end()))
  })
  const members = new Set<Member>()
  const workers = new Map<string, string>()
  let names = 0
  const workerOf = async ({ name }: Member) => {
    const [worker] = await tables.rows<{ id: string }>(server === null ? SOLE_WORKER : workerHeldBy(name))
    if (worker !== undefined) workers.set(name, worker.id)
    return worker?.id ?? null
  }
  const end: Cluster['end'] = (member, signal) => {
    members.delete(member)
    return member.end(signal)
  }
  const common = { ...COMMON, ...files(folder), POSTHORN_DATABASE_URL: url, ...env }
  const open = stack.move()
  return {
    members,
    tables,
    place: url,
    env: common,
    server,
    workerOf,
    complaints: () => (server?.log() ?? '').split('\n').filter((line) => COMPLAINT.test(line) && !EXPLAINED.test(line)),
    end,
    async start(more = {}) {
      const name = `member-${++names}`
      const place = server === null ? url : `${url}?application_name=${name}`
      const process = await startProcess({ ...common, POSTHORN_DATABASE_URL: place, ...more })
      const member = { ...process, name }
      started.add(member)
      const { status } = await fetch(`${member.url}/readyz`)
      if (status !== 200) throw new Error(`${name} is not ready: ${status}`)
      await workerOf(member)
      members.add(member)
      return member
    },
    any: () => [...members][Math.floor(Math.random() * members.size)] as Member,
    async kill(member) {
      // It may be just connecting again.
      await workerOf(member)
      await end(member, 'SIGKILL')
      const rows = await tables.rows<{ id: string }>(onTheirWay(workers.get(member.name) as string))
      return rows.map(({ id }) => id)
    },
    [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
  }
}

const COMPLAINT = /\b(?:ERROR|FATAL|PANIC): /
/** How graphile-worker finds out that its schema is not there yet. */
const EXPLAINED = /relation "graphile_worker.migrations" does not exist/

const COMMON: Environment = {
  POSTHORN_PORT: '0',
  POSTHORN_DATABASE_POOL: '6',
  POSTHORN_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
  POSTHORN_API_KEY: API_KEY,
  POSTHORN_ADMIN_KEY: ADMIN_KEY,
  POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
  POSTHORN_EGRESS_ALLOW: '127.0.0.1/32',
  POSTHORN_POLL_LIMIT: '100000',
}

const files = (folder: string): Environment => ({ POSTHORN_FILES: `file:${folder}/files` })

const SOLE_WORKER = 'SELECT id FROM workers ORDER BY started_at DESC LIMIT 1'

/** A worker's name is what its process holds an advisory lock by, as long as it is connected. */
const workerHeldBy = (member: string): string => `
  SELECT w.id FROM workers w JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
      AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(w.id, 0)
    JOIN pg_stat_activity a ON a.pid = l.pid WHERE a.application_name = '${member}'`

const onTheirWay = (worker: string): string =>
  `SELECT event_id AS id FROM deliveries WHERE status = 'delivering' AND worker_id = '${worker}'`
