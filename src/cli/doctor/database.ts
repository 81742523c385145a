import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import type { Config, Secrets } from '../../config.ts'
import { signingSecretPlace } from '../../delivery/signing-keys.ts'
import { createSealer } from '../../secrets.ts'
import { keyPath, knownKeys } from '../embedded.ts'
import { counted } from '../say.ts'
import { embeddedState, postgresState, readingEmbedded, type SchemaState } from '../schema-state.ts'
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts'
import { askServer } from './server.ts'

type Keys = ReadonlyMap<string, Buffer> | null

interface SealedRow {
  id: string
  sealed: string
}

const NAME = 'database'
const KEYS = 'keys'
const TENANTS = 'SELECT id, signing_secret AS sealed FROM tenants'
const OLDEST_SERVER = 140_000

/** Whether the database can be reached, what state its schema is in, and whether the encryption keys open its secrets. */
export function databaseFindings({ database }: Config, secrets: Secrets): Promise<Finding[]> {
  return database.kind === 'sqlite' ? embedded(database.path, secrets) : postgres(database.url, secrets.encryptionKeys)
}

async function embedded(path: string, secrets: Secrets): Promise<Finding[]> {
  if (!existsSync(path)) return [ok(NAME, `${path} will be made at the first start.`)]
  try {
    const { state, rows } = await readingEmbedded(path, (ask) => {
      const state = embeddedState(ask)
      return { state, rows: state.applied > 0 ? ask<SealedRow>(TENANTS) : [] }
    })
    const use = isInUse(path) ? ', in use by a running process' : ''
    return [schemaFinding(path + use, state), keysFinding(rows, knownKeys(secrets, path), keyPath(path))]
  } catch (error) {
    const advice = 'Is it a database of Posthorn, and readable for this user? Else restore a backup.'
    return [problem(NAME, `${path} cannot be read: ${reasonOf(error)}.`, advice)]
  }
}

async function postgres(url: string, keys: Keys): Promise<Finding[]> {
  const { host, pathname } = new URL(url)
  try {
    return await askServer(url, async (client) => {
      const { rows: settings } = await client.query<{ version: string }>(
        "SELECT current_setting('server_version_num') AS version",
      )
      if (Number(settings[0]?.version) < OLDEST_SERVER) {
        return [problem(NAME, `${host} is older than PostgreSQL 14.`, 'Use PostgreSQL 14 or newer.')]
      }
      const state = await postgresState(client)
      const rows = state.applied > 0 ? (await client.query<SealedRow>(TENANTS)).rows : []
      return [schemaFinding(host + pathname, state), keysFinding(rows, keys, 'POSTHORN_ENCRYPTION_KEYS')]
    })
  } catch (error) {
    const advice = 'Does the server run, and do host, user, password and name in POSTHORN_DATABASE_URL fit?'
    return [problem(NAME, `${host}${pathname} cannot be used: ${reasonOf(error)}.`, advice)]
  }
}

function schemaFinding(where: string, { applied, known, newer }: SchemaState): Finding {
  if (newer) return problem(NAME, `${where} was used by a newer version.`, 'Start that version.')
  if (applied === known) return ok(NAME, `${where}; its schema is up to date (${applied}).`)
  const what = applied === 0 ? 'has no schema yet' : `is at ${applied} of ${known} of the schema`
  return warning(NAME, `${where} ${what}.`, 'The next start brings it up to date, or `posthorn migrate` now.')
}

function keysFinding(rows: readonly SealedRow[], keys: Keys, place: string): Finding {
  if (rows.length === 0) return ok(KEYS, 'Nothing is sealed yet.')
  if (keys === null) {
    const advice = `Put the key file back, or set POSTHORN_ENCRYPTION_KEYS.`
    return problem(KEYS, `There is no encryption key at ${place}, and secrets were sealed with one.`, advice)
  }
  const sealer = createSealer(keys)
  const closed = rows.filter(({ id, sealed }) => !opens(() => sealer.open(sealed, signingSecretPlace(id))))
  if (closed.length > 0) {
    const text = `The secrets of ${counted(closed.length, 'tenant')} cannot be opened with the encryption keys there are.`
    return problem(KEYS, text, `Add the key they were sealed with to ${place}.`)
  }
  const old = rows.filter(({ sealed }) => !sealer.isCurrent(sealed)).length
  if (old === 0) return ok(KEYS, `They open the secrets of ${counted(rows.length, 'tenant')}.`)
  return warning(
    KEYS,
    `${counted(old, 'secret')} sealed with an old key.`,
    '`posthorn rotate-keys` says when it may go.',
  )
}

function opens(open: () => unknown): boolean {
  try {
    open()
    return true
  } catch {
    return false
  }
}

/** By the lock that its process has (store/sqlite/open.ts), without taking it. */
function isInUse(path: string): boolean {
  if (!existsSync(`${path}.lock`)) return false
  using stack = new DisposableStack()
  try {
    const lock = new Database(`${path}.lock`, { readonly: true, timeout: 0 })
    stack.defer(() => lock.close())
    lock.pragma('schema_version')
    return false
  } catch (error) {
    return String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')
  }
}
