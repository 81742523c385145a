import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../monotonic.ts'
import { childrenOf } from '../proc.ts'

const ROOT = join(import.meta.dirname, '../..')
/** A start is no part of what is measured, but for `recovery`, and takes half of its time to compile. */
const COMPILED = join(tmpdir(), 'posthorn-bench-compiled')
const START_MS = 60_000
const LOOK_MS = 20

/** A program that is measured, with its log in a file as in production. */
export interface MeasuredProcess {
  pid: number
  url: string
  /** On the monotonic clock. */
  startedAt: number
  end(signal: NodeJS.Signals): Promise<void>
}

export interface ProgramOptions {
  /** From the root of the repository. */
  script: string
  args?: string[]
  nodeArgs?: string[]
  /** A command that runs Node. */
  under?: string[]
  env?: Record<string, string>
  /** Where it runs. */
  folder: string
  logFile: string
}

const running = new Set<number>()
process.on('exit', () => {
  for (const pid of running) kill(pid, 'SIGKILL')
})

/** Resolves when it listens; rejects with what it said when it ends before that. */
export async function startProgram(options: ProgramOptions): Promise<MeasuredProcess> {
  const { script, args = [], nodeArgs = [], under = [], env = {}, folder, logFile } = options
  const log = openSync(logFile, 'a')
  const [command = process.execPath, ...rest] = [...under, process.execPath, ...nodeArgs, join(ROOT, script), ...args]
  const startedAt = monotonicMs()
  const child = spawn(command, rest, {
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILED, ...env },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  running.add(child.pid as number)
  child.once('exit', () => running.delete(child.pid as number))
  const url = await listening(child, logFile)
  // What runs Node is its parent and ends with it.
  const pid = under.length === 0 ? child.pid : (await childrenOf(child.pid as number))[0]
  if (pid === undefined) throw new Error(`${command} has no process`)
  running.add(pid)
  child.once('exit', () => running.delete(pid))
  return {
    pid,
    url,
    startedAt,
    end: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      kill(pid, signal)
      await once(child, 'exit')
    },
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

async function listening(child: ChildProcess, logFile: string): Promise<string> {
  for (let waitedMs = 0; waitedMs < START_MS; waitedMs += LOOK_MS) {
    const text = readFileSync(logFile, 'utf8')
    const line = text.split('\n').find((each) => each.includes('"service.started"'))
    if (line !== undefined) return (JSON.parse(line) as { url: string }).url
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${text}`)
    await delay(LOOK_MS)
  }
  child.kill('SIGKILL')
  throw new Error(`it did not start within ${START_MS} ms: ${readFileSync(logFile, 'utf8')}`)
}
