import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { SIGNING_SECRET } from '../support/service.ts'

const RECEIVERS = join(import.meta.dirname, '../../examples/receivers')
const run = promisify(execFile)

/** How to start a receiver, or why that is not possible here. */
export type Prepared = { command: string; args: string[] } | { missing: string }

/** One of examples/receivers, ready to be started; what it needs is put into the folder. */
export const prepare: Record<'typescript' | 'python' | 'go', (folder: string) => Promise<Prepared>> = {
  typescript: async () => ({ command: process.execPath, args: [join(RECEIVERS, 'typescript/receiver.ts')] }),
  async python(folder) {
    const python = join(folder, 'venv/bin/python')
    const requirements = join(RECEIVERS, 'python/requirements.txt')
    const missing =
      (await failure('python3', ['-m', 'venv', join(folder, 'venv')])) ??
      (await failure(python, ['-m', 'pip', 'install', '--quiet', '--retries', '0', '-r', requirements]))
    return missing ? { missing } : { command: python, args: [join(RECEIVERS, 'python/receiver.py')] }
  },
  async go(folder) {
    const missing = await failure('go', ['mod', 'download'], join(RECEIVERS, 'go'))
    if (missing) return { missing }
    const command = join(folder, 'receiver')
    await run('go', ['build', '-o', command, '.'], { cwd: join(RECEIVERS, 'go'), env: environment() })
    return { command, args: [] }
  },
}

/** Its last line when it fails, is not there or takes too long; else null. */
async function failure(command: string, args: string[], cwd?: string): Promise<string | null> {
  try {
    await run(command, args, { timeout: 20_000, env: environment(), ...(cwd && { cwd }) })
    return null
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    // The registry is there, the version that we name is not.
    if (/\(from versions: \d/.test(stderr)) throw error
    return `${command} ${args.join(' ')}: ${(stderr.trim() || message).split('\n').at(-1)}`
  }
}

/** Go fetches no other Go than is there, and pip goes by the settings of the machine. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: 'local' }
}

/** A receiver as a process of its own. */
export interface ReceiverProcess extends AsyncDisposable {
  url: string
  /** What it printed so far. */
  lines: string[]
  /** SIGTERM, and the exit code. */
  end(): Promise<number | null>
}

export async function startReceiver({
  command,
  args,
}: Exclude<Prepared, { missing: string }>): Promise<ReceiverProcess> {
  const child = spawn(command, args, {
    env: { ...process.env, PORT: '0', WEBHOOK_SECRET: SIGNING_SECRET },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the receiver ended with ${code}: ${stderr}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      const [, listening] = /^listening on (http:\S+)$/.exec(line) ?? []
      if (listening !== undefined) resolve(listening)
    })
  })
  return {
    url,
    lines,
    end: () => end(child, 'SIGTERM'),
    [Symbol.asyncDispose]: async () => {
      await end(child, 'SIGKILL')
    },
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal)
    await once(child, 'exit')
  }
  return child.exitCode
}
