import { randomBytes } from 'node:crypto'
import { systemClock } from '../clock.ts'
import { readConfig } from '../config.ts'
import { EX_CONFIG, EX_NOINPUT, StartError } from '../errors.ts'
import { createSealer } from '../secrets.ts'
import { openPostgresStore } from '../store/postgres/store.ts'
import { openSqliteStore } from '../store/sqlite/store.ts'
import type { Store } from '../store/store.ts'
import { missingKeyIds, resealAll } from '../tenants/reseal.ts'
import { knownKeys } from './embedded.ts'
import { counted, say, secondsSince } from './say.ts'

/**
 * Seals all stored secrets with the first encryption key, on PostgreSQL while services run. A service that starts does
 * the same by itself; this one says when it is done, and the other keys may go. It may be repeated.
 * @throws StartError
 */
export async function rotateKeys(): Promise<object> {
  const startedAt = performance.now()
  const { config, secrets } = readConfig()
  const { database } = config
  const keys = database.kind === 'sqlite' ? knownKeys(secrets, database.path) : secrets.encryptionKeys
  if (keys === null) throw new StartError('There is no encryption key yet, so nothing was sealed.', EX_NOINPUT)
  await using store = await openStore(database)
  const sealer = createSealer(keys)
  const missing = [...(await missingKeyIds(store, sealer))]
  if (missing.length > 0) {
    const text = `Secrets were sealed with the keys ${missing.join(', ')}, which are not in POSTHORN_ENCRYPTION_KEYS.`
    throw new StartError(`${text} Nothing was done.`, EX_CONFIG)
  }
  const rows = await resealAll(store, sealer, new AbortController().signal)
  const [first] = keys.keys()
  say(
    `${counted(rows, 'row')} sealed anew in ${secondsSince(startedAt)}. Everything is sealed with the key "${first}" now:`,
  )
  say('when all services have it as their first, the others may be taken out of POSTHORN_ENCRYPTION_KEYS.')
  if (keys.size === 1) say(`To change it, put a new one in front: new:${randomBytes(32).toString('base64')},${first}:…`)
  return { rows, key: first }
}

async function openStore(database: ReturnType<typeof readConfig>['config']['database']): Promise<Store> {
  if (database.kind === 'sqlite') return openSqliteStore(database.path)
  return openPostgresStore({ url: database.url, poolSize: 1, clock: systemClock(), onFault: () => {} })
}
