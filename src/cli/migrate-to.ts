import { existsSync } from 'node:fs'
import type { Database as Connection } from 'better-sqlite3'
import type pg from 'pg'
import { type Config, readConfig, type Secrets } from '../config.ts'
import { EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_USAGE, StartError } from '../errors.ts'
import { alone, openDatabase as openPostgres } from '../store/postgres/open.ts'
import { openDatabase as openSqlite } from '../store/sqlite/open.ts'
import { compareCounts, strangers } from './compare-tables.ts'
import { copyTables, setSequences } from './copy-tables.ts'
import { assertOpens, embeddedPath, keyPath, knownKeys } from './embedded.ts'
import { counted, say, secondsSince, some } from './say.ts'

/** One copies, the other brings graphile-worker's schema up to date. */
const POOL = 2

/**
 * Copies the embedded database of a stopped service into PostgreSQL. The source stays as it is. It may be repeated:
 * what was copied before is left alone. Resolves only when all tables have as many rows there as here.
 * @throws StartError
 */
export async function migrateTo(url: string): Promise<object> {
  const startedAt = performance.now()
  if (!/^postgres(ql)?:\/\/./.test(url) || !URL.canParse(url)) {
    throw new StartError('The target must be of the form postgres://user:password@host:port/database.', EX_USAGE)
  }
  const { config, secrets } = readConfig()
  const path = embeddedPath(config, 'Set it to the file that is to be copied.')
  if (!existsSync(path)) throw new StartError(`There is no database at ${path}.`, EX_NOINPUT)
  await using stack = new AsyncDisposableStack()
  const source = stack.adopt(openSqlite(path), (opened) => opened.close()).db
  assertOpens(source, keysOf(secrets, path))
  const target = stack.adopt(await openPostgres(url, POOL), (opened) => opened.close())
  // Under the lock of first starts, so that no service begins on a half of it.
  const rows = await alone(target, (client) => copy(source, client))
  say(`${counted(rows, 'row')} in ${secondsSince(startedAt)}.`)
  sayWhatNext(config, secrets, path)
  return { database: path, rows }
}

async function copy(source: Connection, target: pg.Client): Promise<number> {
  const { rows: workers } = await target.query<{ id: string }>('SELECT id FROM workers')
  if (workers.length > 0) {
    const text = `A Posthorn process runs on the target, or was killed there (${some(workers.map(({ id }) => id))}).`
    throw new StartError(`${text} Copy into a database that no process has used.`, EX_UNAVAILABLE)
  }
  const foreign = await strangers(source, target)
  if (foreign.length > 0) {
    const text = `The target holds what is not of ${source.name}, so nothing was copied:\n  ${foreign.join('\n  ')}`
    throw new StartError(`${text}\nCopy into an empty database.`, EX_DATAERR)
  }
  await copyTables(source, target)
  await setSequences(source, target)
  const counts = await compareCounts(source, target)
  say(counts.table)
  if (!counts.equal) throw new StartError('The tables have not come to the same; run it again.', EX_DATAERR)
  return counts.rows
}

function keysOf(secrets: Secrets, path: string): ReadonlyMap<string, Buffer> {
  const keys = knownKeys(secrets, path)
  if (keys !== null) return keys
  throw new StartError(`There is no encryption key: neither POSTHORN_ENCRYPTION_KEYS nor ${keyPath(path)}.`, EX_CONFIG)
}

function sayWhatNext({ files }: Config, secrets: Secrets, path: string): void {
  say('\nNow start every process with POSTHORN_DATABASE_URL set to this target, and with')
  if (secrets.encryptionKeys === null) say(`  POSTHORN_ENCRYPTION_KEYS="file:$(cat ${quoted(keyPath(path))})"`)
  else say('  the POSTHORN_ENCRYPTION_KEYS of now')
  if (files.kind === 'disk') {
    say(`Files stay in ${files.folder}: processes on several hosts need POSTHORN_FILES=s3://…, see docs/operating.md.`)
  }
  say(`Do not start a service on ${path} again: it would do the same jobs and call the same receivers.`)
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
