import { join } from 'node:path'
import { startProgram } from './child.ts'
import type { Contender } from './contender.ts'
import { temporaryFolder } from './folder.ts'

export const BARE = 'bare loop'

export type Fault = 'none' | 'drop' | 'double' | 'forge'

/**
 * @param fault What it is to do wrong, for the harness to notice
 * @param nodeArgs Such as `--cpu-prof`
 */
export function bareLoop(fault: Fault = 'none', nodeArgs: string[] = []): Contender {
  return {
    name: BARE,
    start: async ({ secret, concurrency, roles }) => {
      await using stack = new AsyncDisposableStack()
      const folder = await temporaryFolder(stack)
      const program = await startProgram({
        script: 'bench/bare-loop.ts',
        nodeArgs,
        args: [
          ...['--secret', secret, '--concurrency', String(concurrency), '--fault', fault],
          ...(roles === 'api' ? ['--accept-only'] : []),
        ],
        folder,
        logFile: join(folder, 'bare.log'),
      })
      stack.defer(() => program.end('SIGKILL'))
      const ending = stack.move()
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
        [Symbol.asyncDispose]: () => ending.disposeAsync(),
      }
    },
  }
}
