import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Environment } from './service.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Compiled once for all: a start takes a third less of the processor then. */
export const COMPILED = join(ROOT, 'node_modules/.cache/posthorn-tests')

/** The service as a process of its own, as `npm start` starts it. */
export interface ServiceProcess {
  child: ChildProcess
  url: string
  /** Its log lines so far. */
  lines: Record<string, unknown>[]
  /** Ends it and waits: SIGKILL unless told otherwise. Returns the exit code, null after a kill. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

export interface Exit {
  code: number | null
  stdout: string
  stderr: string
}

const started: ChildProcess[] = []

/** At the end of each test file: a test that ran out of time has not ended its processes. */
export function killProcesses(): void {
  for (const child of started.splice(0)) child.kill('SIGKILL')
}

function start(env: Environment, folder = ROOT): ChildProcess {
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILED, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  return child
}

/** Resolves when it listens; rejects with what it said when it ends before that. It is started in `folder`. */
export async function startProcess(env: Environment, folder?: string): Promise<ServiceProcess> {
  const child = start(env, folder)
  const lines: Record<string, unknown>[] = []
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}: ${stderr}`)))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const parsed = JSON.parse(line) as Record<string, unknown>
      lines.push(parsed)
      if (parsed.event === 'service.started') resolve(String(parsed.url))
    })
  })
  return {
    child,
    url,
    lines,
    async end(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal)
        await once(child, 'exit')
      }
      return child.exitCode
    },
  }
}

/** Runs it until it ends by itself. */
export async function runToExit(env: Environment): Promise<Exit> {
  const child = start(env)
  const out: Exit = { code: null, stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => {
    out.stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    out.stderr += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { ...out, code }
}
