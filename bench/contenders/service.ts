import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type MeasuredProcess, startProgram } from './child.ts'
import type { Contender, Counters, Settings, Stored, Target } from './contender.ts'
import type { Fill } from './fill.ts'
import { temporaryFolder } from './folder.ts'

/** A database of one run. */
export interface RunDatabase extends AsyncDisposable {
  url: string
  /** Once no service uses it. */
  /** What was made since then (ms since 1970). */
  read(since: number): Promise<Stored[]>
  /** Once the service has made its tables. */
  fill(fill: Fill): Promise<void>
  cpuUs(): Promise<number | null>
  bytes(): Promise<number>
  /** How the service is started so that `counters` can count. */
  counting: { nodeArgs: string[]; under: string[]; env: Record<string, string> }
  counters(pid: number): Promise<Counters>
}

export interface ServiceOptions {
  /** Such as `--cpu-prof`. */
  nodeArgs?: string[]
  /** Whether row writes, commits and syncs are counted, which costs a little. */
  counted?: boolean
  /** What is in the tables before the run. */
  fill?: (settings: Settings) => Fill
  /** When given, all runs use one database, filled once, which this removes. */
  keep?: AsyncDisposableStack
}

/** One for all, as a database that is kept was sealed with it. */
const ENCRYPTION_KEYS = `bench:${randomBytes(32).toString('base64')}`

/** As in `npm start`. */
const START_ARGS = ['--max-semi-space-size=24']

type OpenDatabase = (folder: string) => Promise<RunDatabase>

/** The service, started as `npm start` does it, with every default that a run does not need to change. */
export function service(name: string, open: OpenDatabase, options: ServiceOptions = {}): Contender {
  const { nodeArgs = [], counted = false, keep } = options
  let kept: Promise<RunDatabase> | null = null
  return {
    name,
    start: async (settings) => {
      await using stack = new AsyncDisposableStack()
      const folder = await temporaryFolder(stack)
      kept ??= keep === undefined ? null : newDatabase(open, settings, options, keep)
      const database = await (kept ?? newDatabase(open, settings, options, stack))
      const counting = counted ? database.counting : { nodeArgs: [], under: [], env: {} }
      const apiKey = `bench-${randomBytes(24).toString('hex')}`
      const env = { ...environment(settings, folder, database.url, apiKey), ...counting.env }
      const program = {
        script: 'src/main.ts',
        nodeArgs: [...START_ARGS, ...nodeArgs, ...counting.nodeArgs],
        under: counting.under,
      }
      const processes: MeasuredProcess[] = []
      stack.defer(() => endAll(processes, 'SIGKILL'))
      for (let index = 0; index < settings.processes; index++) {
        const logFile = join(folder, `service-${index}.log`)
        processes.push(await startProgram({ ...program, env, folder, logFile }))
      }
      const target = targetOf(processes, database, apiKey, stack.move())
      return counted ? target : { ...target, counters: async () => null }
    },
  }
}

async function newDatabase(
  open: OpenDatabase,
  settings: Settings,
  { fill }: ServiceOptions,
  stack: AsyncDisposableStack,
): Promise<RunDatabase> {
  const folder = await temporaryFolder(stack)
  const database = stack.use(await open(folder))
  if (fill === undefined) return database
  // The service makes its tables itself; as an API it does nothing more.
  const env = environment(
    { ...settings, roles: 'api' },
    folder,
    database.url,
    `bench-${randomBytes(24).toString('hex')}`,
  )
  const maker = await startProgram({ script: 'src/main.ts', env, folder, logFile: join(folder, 'tables.log') })
  await maker.end('SIGTERM')
  await database.fill(fill(settings))
  return database
}

function targetOf(
  processes: MeasuredProcess[],
  database: RunDatabase,
  apiKey: string,
  stack: AsyncDisposableStack,
): Target {
  const since = Date.now()
  const [first] = processes as [MeasuredProcess]
  return {
    urls: processes.map(({ url }) => url),
    startedAt: first.startedAt,
    pids: processes.map(({ pid }) => pid),
    headers: {
      'content-type': 'application/json',
      prefer: 'respond-async',
      authorization: `Bearer ${apiKey}`,
    },
    databaseCpuUs: () => database.cpuUs(),
    diskBytes: () => database.bytes(),
    counters: () => database.counters(first.pid),
    end: async (signal) => {
      await endAll(processes, signal)
      return database.read(since)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function endAll(processes: readonly MeasuredProcess[], signal: NodeJS.Signals): Promise<void> {
  await Promise.all(processes.map((one) => one.end(signal)))
}

function environment(
  { roles, secret, receiverPort, maxConnections }: Settings,
  folder: string,
  databaseUrl: string,
  apiKey: string,
): Record<string, string> {
  return {
    POSTHORN_PORT: '0',
    POSTHORN_ROLES: roles,
    POSTHORN_DATABASE_URL: databaseUrl,
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: apiKey,
    POSTHORN_SIGNING_SECRET: secret,
    POSTHORN_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiverPort}`,
    ...(maxConnections === undefined ? {} : { POSTHORN_MAX_CONNECTIONS: String(maxConnections) }),
  }
}
