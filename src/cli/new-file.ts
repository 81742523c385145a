import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EX_CANTCREAT, EX_IOERR, StartError, StoreUnavailableError } from '../errors.ts'

/**
 * Makes a file that is there whole or not at all: `write` fills an empty one of mode 0600 beside it, which is synced and
 * renamed in the end. When `write` throws or the process is asked to end, nothing is left behind.
 * Returns what `write` does.
 * @throws StartError when `path` exists, cannot be made, or finds no room
 */
export async function writeNewFile<T>(path: string, write: (partial: string) => Promise<T>): Promise<T> {
  const partial = `${path}.partial`
  let ours = false
  const remove = (): void => {
    if (ours) rmSync(partial, { force: true })
  }
  const interrupted = (): void => {
    remove()
    process.exit(1)
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    reserve(path, partial)
    ours = true
    const result = await write(partial)
    await sync(partial)
    refuseExisting(path)
    await rename(partial, path)
    await sync(dirname(path))
    return result
  } catch (error) {
    remove()
    throw asStartError(path, error)
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
  }
}

/** @throws StartError */
export function refuseExisting(path: string): void {
  if (existsSync(path)) throw new StartError(`${path} exists already, and nothing is overwritten.`, EX_CANTCREAT)
}

/** Two writers would spoil each other's work, so what a killed one left is not taken for nobody's. */
function reserve(path: string, partial: string): void {
  refuseExisting(path)
  try {
    closeSync(openSync(partial, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const text = `${partial} exists: another process is writing it, or was killed while it did. If none is, remove it.`
    throw new StartError(text, EX_CANTCREAT, error)
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await handle.sync()
  await handle.close()
}

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'SQLITE_FULL'])
const CANNOT_MAKE = new Set(['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EROFS', 'SQLITE_CANTOPEN'])

function asStartError(path: string, thrown: unknown): Error {
  if (thrown instanceof StartError) return thrown
  const error = thrown instanceof StoreUnavailableError ? thrown.cause : thrown
  const { code = '', message } = error as NodeJS.ErrnoException
  if (NO_ROOM.has(code)) return new StartError(`There is no room for ${path}: ${message}.`, EX_IOERR, error)
  if (CANNOT_MAKE.has(code)) return new StartError(`${path} cannot be made: ${message}.`, EX_CANTCREAT, error)
  const known = /^(SQLITE_\w+|E[A-Z]+)$/.test(code)
  return known ? new StartError(`Writing ${path} failed: ${message}.`, EX_IOERR, error) : (error as Error)
}
