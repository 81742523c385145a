import { Socket } from 'node:net'
import pg from 'pg'
import { StoreUnavailableError } from '../../errors.ts'
import { asStoreError, isConflict, isDeadlock } from './failures.ts'
import { type Query, statement } from './statement.ts'

/** What statements run on: the pool, each in a transaction of its own, or one transaction. */
export interface Connection {
  rows<Row>(query: Query): Promise<Row[]>
  /** How many rows it changed. */
  changes(query: Query): Promise<number>
}

export interface Transaction extends Connection {
  /**
   * Commits together with statements that have just been given and are the last: COMMIT travels with them instead of
   * waiting for their answer, and locks are held for less long. When one of them fails, nothing stays.
   */
  last<T>(statements: Promise<T>): Promise<T>
}

export interface Database extends Connection {
  /** The rows of a query as drizzle's `toSQL()` gives it, as objects with these keys for its columns in their order. */
  named<Row>(keys: readonly string[], query: { sql: string; params: unknown[] }): Promise<Row[]>
  /** Commits when `work` resolves, else rolls back. After a deadlock it is called again. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** A connection outside the pool, for what lasts as long as the process: LISTEN and session locks. */
  dedicated(): pg.Client
  /** The server does not answer: what is under way fails now, and what comes later at once, until `up`. */
  down(cause: unknown): void
  up(): void
  /** For libraries that bring their own statements. */
  readonly pool: pg.Pool
  close(): Promise<void>
}

/** How long a call waits for a free connection of the pool. */
const ACQUIRE_MS = 10_000
/**
 * A transaction that stands still holds locks others wait for: its process was stopped, or its network is gone.
 * The server ends it then.
 */
const IDLE_IN_TRANSACTION_MS = 5000
const LOCK_MS = 3000
const STATEMENT_MS = 30_000
const MAX_TRIES = 3
/** How soon the server notices that a client's machine is gone. */
const KEEPALIVE = ['tcp_keepalives_idle=10', 'tcp_keepalives_interval=5', 'tcp_keepalives_count=3']
/**
 * Every statement has an index that gives its rows in their order, few at a time. Before the tables are analysed, and
 * when they have changed much since, the planner takes other ways, and sorts a whole queue for the first eight of it:
 * a claim among 200,000 jobs took 0.9 s. So it is kept from them where there is an index.
 */
const INDEXES_ONLY = [
  'enable_seqscan',
  'enable_bitmapscan',
  'enable_sort',
  'enable_hashjoin',
  'enable_mergejoin',
  'jit',
]
const SETTINGS = [...KEEPALIVE, ...INDEXES_ONLY.map((name) => `${name}=off`)]
  .map((setting) => `-c ${setting}`)
  .join(' ')

const INT8 = 20

/** 64-bit integers as numbers: ours are ms and bytes, far below 2⁵³. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/** @param size Connections of the pool */
export function connect(url: string, size: number): Database {
  const sockets = new Set<Socket>()
  const config = clientConfig(url, sockets)
  const pool = new pg.Pool({ ...config, max: size })
  // An idle connection that ends is replaced at the next need; who uses one learns it from the statement.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const gate = poolGate(pool)
  const using: typeof gate.using = (work) => afresh(() => gate.using(work))
  return {
    ...onClient((query) => using((client) => client.query(query))),
    named: async <Row>(keys: readonly string[], { sql, params }: { sql: string; params: unknown[] }) => {
      const query = { text: sql, values: params, rowMode: 'array' } as const
      const { rows } = await using((client) => client.query<unknown[]>(query))
      return rows.map((row) => Object.fromEntries(keys.map((key, i) => [key, row[i]])) as Row)
    },
    transaction: (work) => using((client) => inTransaction(client, work)),
    dedicated: () => new pg.Client(config),
    down(cause) {
      gate.shut(new StoreUnavailableError(cause))
      for (const socket of sockets) socket.destroy()
    },
    up: gate.open,
    pool,
    close: () => pool.end(),
  }
}

function clientConfig(url: string, sockets: Set<Socket>): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'posthorn',
    keepAlive: true,
    // What does not need the answer to a statement need not wait for it: see inTransaction.
    pipeline: true,
    connectionTimeoutMillis: ACQUIRE_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    lock_timeout: LOCK_MS,
    statement_timeout: STATEMENT_MS,
    options: SETTINGS,
    types,
    stream: () => {
      const socket = new GatheringSocket()
      sockets.add(socket)
      return socket.once('close', () => sockets.delete(socket))
    },
  }
}

/** The driver corks a connection for each statement: what is said in one turn goes out by one call into the kernel. */
class GatheringSocket extends Socket {
  override uncork(): void {
    process.nextTick(() => super.uncork())
  }
}

/** Lets callers to the pool's connections, as long as the server is there. */
function poolGate(pool: pg.Pool) {
  let failure: StoreUnavailableError | null = null
  const waiting = new Set<(error: StoreUnavailableError) => void>()

  /** A connection, or the news that there is none to be had: a server that is gone lets connecting hang. */
  function acquire(): Promise<pg.PoolClient> {
    return new Promise((resolve, reject) => {
      if (failure !== null) return reject(failure)
      let late = false
      const giveUp = (error: StoreUnavailableError): void => {
        late = true
        reject(error)
      }
      waiting.add(giveUp)
      pool
        .connect()
        .then((client) => (late ? client.release() : resolve(client)))
        .catch((error: unknown) => reject(asStoreError(error)))
        .finally(() => waiting.delete(giveUp))
    })
  }

  return {
    async using<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
      const client = await acquire()
      try {
        const value = await work(client)
        client.release()
        return value
      } catch (error) {
        const known = asStoreError(error)
        // A connection that may be broken is not used again.
        client.release(known instanceof StoreUnavailableError && !isConflict(known))
        throw known
      }
    },
    shut(error: StoreUnavailableError): void {
      failure = error
      for (const giveUp of waiting) giveUp(error)
    },
    open(): void {
      failure = null
    },
  }
}

/** The server ends one of two that wait for each other after a second: the other one goes on, and this one comes after. */
async function afresh<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === MAX_TRIES || !isDeadlock(error)) throw error
    }
  }
}

function onClient(run: (query: Query) => Promise<pg.QueryResult>): Connection {
  return {
    rows: async <Row>(query: Query) => (await run(query)).rows as Row[],
    changes: async (query) => (await run(query)).rowCount ?? 0,
  }
}

const begin = statement('BEGIN')
const commit = statement('COMMIT')

async function inTransaction<T>(client: pg.PoolClient, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  // Travels with the first statement; when it fails, so does that.
  const begun = client.query(begin())
  begun.catch(() => {})
  let committed: Promise<pg.QueryResult> | null = null
  const last = async <V>(statements: Promise<V>): Promise<V> => {
    committed = client.query(commit())
    committed.catch(() => {})
    return await statements
  }
  try {
    const value = await work({ ...onClient((query) => client.query(query)), last })
    await begun
    committed ??= client.query(commit())
    // What was given after a failure is not done, and then COMMIT is a ROLLBACK.
    if ((await committed).command !== 'COMMIT') throw new Error('a transaction was committed after it had failed')
    return value
  } catch (error) {
    await (committed ?? client.query('ROLLBACK')).catch(() => {})
    throw error
  }
}
