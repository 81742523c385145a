import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { COMPILED, type Exit } from '../support/process.ts'
import type { Environment } from '../support/service.ts'

const ROOT = join(import.meta.dirname, '../..')

export function startCommand(args: readonly string[], env: Environment, input?: string): ChildProcess {
  const child = spawn(process.execPath, ['src/cli/posthorn.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILED, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  child.stdin?.end(input)
  return child
}

/** Runs `posthorn` with these arguments until it ends. @param input What it finds on standard input */
export async function runCommand(args: readonly string[], env: Environment = {}, input?: string): Promise<Exit> {
  return endOf(startCommand(args, env, input))
}

/** What a command says from now on, and how it ends. */
export async function endOf(child: ChildProcess): Promise<Exit> {
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
