import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { ProcessOwner } from './postgres-binaries.ts'

/** A running server: PostgreSQL's first process, and with it all others. */
export interface Postmaster {
  /** Sends the signal, unless it has ended before. Resolves when all of its processes are gone. */
  end(signal: NodeJS.Signals): Promise<void>
}

export interface PostmasterOptions {
  command: string[]
  owner: ProcessOwner
  /** Removed when we are killed before we could do it. */
  folder: string
  /** Gets each line that it writes. */
  log: string[]
}

/**
 * Becomes the server, and leaves a process behind that ends it when we have gone without doing so, killed perhaps: then
 * fd 3 ends without a line. Its parentheses make it nobody's child, so that the server has none that it does not know.
 */
const WATCHED = `
(
  { read -r _ <&3 || { kill -QUIT $$; sleep 2; rm -rf "$0"; }; } 2>/dev/null &
)
exec "$@" 3<&-`

/** Resolves when it accepts connections; rejects with what it said when it ends before that. */
export async function startPostmaster({ command, owner, folder, log }: PostmasterOptions): Promise<Postmaster> {
  const child = spawn('/bin/sh', ['-c', WATCHED, folder, ...command], {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    ...owner,
  })
  // Each of its processes holds stderr open: it closes with the last of them.
  const closed = new Promise((resolve) => child.once('close', resolve))
  const watch = child.stdio[3] as Writable
  // Whoever killed the server may have killed the watching process too.
  watch.on('error', () => {})
  child.once('exit', () => watch.end('ended\n'))
  await accepting(child, log)
  return {
    end: async (signal) => {
      child.kill(signal)
      await closed
    },
  }
}

function accepting(child: ChildProcess, log: string[]): Promise<void> {
  const before = log.length
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr as Readable }).on('line', (line) => {
      log.push(line)
      if (line.endsWith('database system is ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('close', (code) => {
      reject(new Error(`PostgreSQL ended with ${code}: ${log.slice(before).join('\n')}`))
    })
  })
}
