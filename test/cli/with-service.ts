import type { ChildProcess } from 'node:child_process'
import type { Exit } from '../support/process.ts'
import { ADMIN_KEY, API_KEY, type Environment, SIGNING_SECRET } from '../support/service.ts'
import { endOf, runCommand, startCommand } from './command.ts'

/** The variables with which a command finds a service of the tests. */
export function reaching(url: string): Environment {
  return {
    POSTHORN_URL: url,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_SIGNING_SECRET: SIGNING_SECRET,
  }
}

/** A command that goes on until it is told to end. */
export interface RunningCommand {
  /** What it has said so far. */
  out: { stdout: string; stderr: string }
  /** Asks it to end as Ctrl-C does, and waits. */
  interrupt(signal?: NodeJS.Signals): Promise<Exit>
  /** Waits for its own end. */
  end: Promise<Exit>
}

const running = new Set<ChildProcess>()

export function start(args: readonly string[], env: Environment): RunningCommand {
  const child = startCommand(args, env)
  running.add(child)
  const out = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => {
    out.stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    out.stderr += chunk.toString()
  })
  const end = endOf(child).finally(() => running.delete(child))
  return {
    out,
    end,
    interrupt: (signal = 'SIGINT') => {
      child.kill(signal)
      return end
    },
  }
}

/** A failed test has not ended its own. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Runs commands with JSON output. Fails the test unless standard output is one document. */
export async function json<T>(args: readonly string[], env: Environment): Promise<T> {
  const { code, stdout, stderr } = await runCommand([...args, '--json'], env)
  if (code !== 0) throw new Error(`posthorn ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}
