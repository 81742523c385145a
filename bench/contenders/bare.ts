import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram } from './child.ts'
import type { Contender } from './contender.ts'

export const BARE = 'bare loop'

export type Fault = 'none' | 'drop' | 'double' | 'forge'

/** @param fault What it is to do wrong, for the harness to notice */
export function bareLoop(fault: Fault = 'none'): Contender {
  return {
    name: BARE,
    start: async ({ secret, concurrency, roles }) => {
      const folder = await mkdtemp(join(tmpdir(), 'posthorn-bench-'))
      const program = await startProgram({
        script: 'bench/bare-loop.ts',
        args: [
          ...['--secret', secret, '--concurrency', String(concurrency), '--fault', fault],
          ...(roles === 'api' ? ['--accept-only'] : []),
        ],
        folder,
        logFile: join(folder, 'bare.log'),
      })
      return {
        urls: [program.url],
        startedAt: program.startedAt,
        pids: [program.pid],
        headers: { 'content-type': 'application/json', prefer: 'respond-async' },
        databaseCpuUs: async () => null,
        diskBytes: async () => null,
        counters: async () => null,
        end: async (signal) => {
          await program.end(signal)
          return null
        },
        [Symbol.asyncDispose]: async () => {
          await program.end('SIGKILL')
          await rm(folder, { recursive: true, force: true })
        },
      }
    },
  }
}
