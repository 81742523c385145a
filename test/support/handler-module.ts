import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface HandlerModule extends AsyncDisposable {
  /** For POSTHORN_HANDLERS. */
  path: string
  folder: string
}

/** An operator's own handlers, in a folder outside the project. */
export async function handlerModule(source: string, name = 'handlers.ts'): Promise<HandlerModule> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-handlers-'))
  const path = join(folder, name)
  await writeFile(path, source)
  return { path, folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
