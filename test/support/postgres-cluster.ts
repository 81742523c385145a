import { execFile } from 'node:child_process'
import { chown, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ProcessOwner } from './postgres-binaries.ts'

export interface ClusterOptions {
  /** The folder of `initdb`. */
  binaries: string
  owner: ProcessOwner
  /** Of the superuser, `postgres`. */
  password: string
  /** On a disk, for certain. */
  durable: boolean
}

/** Texts are ordered by a language, as on most servers and unlike in SQLite: nothing may rely on the order of bytes. */
const LOCALE = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US']

/** A new folder of the owner's in which `data` is what a server can be started on; it lets no one in without the password. */
export async function createCluster({ binaries, owner, password, durable }: ClusterOptions): Promise<string> {
  const folder = await mkdtemp(join(durable ? tmpdir() : await fastFolder(), 'posthorn-postgres-data-'))
  try {
    const passwordFile = join(folder, 'password')
    await writeFile(passwordFile, password, { mode: 0o600 })
    const { uid = -1, gid = -1 } = owner
    for (const path of [folder, passwordFile]) await chown(path, uid, gid)
    const access = ['--username=postgres', '--auth=password', `--pwfile=${passwordFile}`]
    const options = ['-D', join(folder, 'data'), ...access, ...LOCALE, '--no-sync', '--no-instructions']
    await promisify(execFile)(join(binaries, 'initdb'), options, { cwd: folder, env: {}, ...owner })
    return folder
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

const GIB = 2 ** 30

/**
 * A file system in memory, where there is one with room. A new database is three hundred files, and ext4 takes 200 ms
 * to make them soon after as many were removed (it looks for inodes that were not in use lately), instead of 15 ms.
 */
async function fastFolder(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => null)
  return memory !== null && memory.bavail * memory.bsize > 2 * GIB ? '/dev/shm' : tmpdir()
}
