import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MeasuredProcess, startProgram } from './child.ts'
import type { Contender, Counters, Settings, Stored, Target } from './contender.ts'

/** A database of one run. */
export interface RunDatabase extends AsyncDisposable {
  url: string
  /** Once no service uses it. */
  read(): Promise<Stored[]>
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
}

/** The service, started as `npm start` does it, with every default that a run does not need to change. */
export function service(
  name: string,
  openDatabase: (folder: string) => Promise<RunDatabase>,
  { nodeArgs = [], counted = false }: ServiceOptions = {},
): Contender {
  return {
    name,
    start: async (settings) => {
      await using stack = new AsyncDisposableStack()
      const folder = await mkdtemp(join(tmpdir(), 'posthorn-bench-'))
      stack.defer(() => rm(folder, { recursive: true, force: true }))
      const database = stack.use(await openDatabase(folder))
      const apiKey = `bench-${randomBytes(24).toString('hex')}`
      const counting = counted ? database.counting : { nodeArgs: [], under: [], env: {} }
      const env = { ...environment(settings, folder, database.url, apiKey), ...counting.env }
      const program = { script: 'src/main.ts', nodeArgs: [...nodeArgs, ...counting.nodeArgs], under: counting.under }
      const processes: MeasuredProcess[] = []
      stack.defer(() => endAll(processes, 'SIGKILL'))
      for (let index = 0; index < settings.processes; index++) {
        const logFile = join(folder, `service-${index}.log`)
        processes.push(await startProgram({ ...program, env, folder, logFile }))
      }
      return {
        ...targetOf(processes, database, apiKey, stack.move()),
        ...(counted ? {} : { counters: async () => null }),
      }
    },
  }
}

function targetOf(
  processes: MeasuredProcess[],
  database: RunDatabase,
  apiKey: string,
  stack: AsyncDisposableStack,
): Target {
  return {
    urls: processes.map(({ url }) => url),
    pids: processes.map(({ pid }) => pid),
    headers: {
      'content-type': 'application/json',
      prefer: 'respond-async',
      authorization: `Bearer ${apiKey}`,
    },
    databaseCpuUs: () => database.cpuUs(),
    diskBytes: () => database.bytes(),
    counters: () => database.counters((processes[0] as MeasuredProcess).pid),
    end: async (signal) => {
      await endAll(processes, signal)
      return database.read()
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function endAll(processes: readonly MeasuredProcess[], signal: NodeJS.Signals): Promise<void> {
  await Promise.all(processes.map((one) => one.end(signal)))
}

function environment(
  { roles, secret, receiverPort }: Settings,
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
    POSTHORN_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiverPort}`,
  }
}
