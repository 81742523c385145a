import { mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let root: string | null = null

/** A new folder, which the stack removes, or the end of this process when that comes before. */
export async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  root ??= newRoot()
  const folder = await mkdtemp(join(root, 'run-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function newRoot(): string {
  const made = mkdtempSync(join(tmpdir(), 'posthorn-bench-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  return made
}
