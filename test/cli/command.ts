import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Exit } from '../support/process.ts'
import type { Environment } from '../support/service.ts'

const ROOT = join(import.meta.dirname, '../..')

export function startCommand(args: readonly string[], env: Environment): ChildProcess {
  return spawn(process.execPath, ['src/cli/posthorn.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Runs `posthorn` with these arguments until it ends. */
export async function runCommand(args: readonly string[], env: Environment = {}): Promise<Exit> {
  const child = startCommand(args, env)
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
