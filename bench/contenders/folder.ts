import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set<string>()
// What was interrupted has disposed of nothing; processes that child.ts has just killed may be writing their last.
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
})

/** A new folder, which the stack removes, or the end of this process when that comes before. */
export async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-bench-'))
  folders.add(folder)
  stack.defer(async () => {
    await rm(folder, { recursive: true, force: true })
    folders.delete(folder)
  })
  return folder
}
