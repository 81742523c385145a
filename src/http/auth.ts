import type { Context } from 'hono'
import type { Actor } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { hashApiKey } from '../secrets.ts'
import type { Caller, KeyRole, KeyStore } from '../store/store.ts'
import type { KeyUses } from '../tenants/api-keys.ts'
import { type RateLimiter, rateLimiter, tooMany } from './rate-limits.ts'
import type { Sessions } from './sessions.ts'

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i

/** Who calls. @throws AppError 401 without a valid key, 403 with one of the other role, 429 after many wrong ones */
export type Authenticate = (c: Context, role: KeyRole) => Promise<Caller>

/** Whose key has this hash. @throws AppError as `Authenticate` */
export type FindCaller = (c: Context, hash: string | null, role: KeyRole) => Promise<Caller>

/** Wrong keys from one address, a second: a mistaken client is told what is wrong, one that guesses is slowed down. */
const WRONG_KEYS_PER_S = 50

export interface CallerDependencies {
  keys: KeyStore
  keyUses: KeyUses
  clock: Clock
}

export function callerFinder({ keys, keyUses, clock }: CallerDependencies): FindCaller {
  const wrongKeys = rateLimiter(clock)
  return async (c, hash, role) => {
    const now = clock.now()
    const key = hash === null ? null : await keys.find(hash, now)
    if (key === null) throw refusal(c, wrongKeys)
    if (key.role !== role) {
      throw new AppError('forbidden', `This needs a key of the role ${role}; this one is of the role ${key.role}.`)
    }
    keyUses.note(key.id, now)
    return key
  }
}

/** By the key in the request; admins also by the session of the console. */
export function authenticator(findCaller: FindCaller, sessions: Sessions): Authenticate {
  return (c, role) => {
    const header = c.req.header('authorization')
    const token = BEARER.exec(header ?? '')?.[1]
    const fromSession = header === undefined && role === 'admin' ? sessions.keyHash(c) : null
    return findCaller(c, token === undefined ? fromSession : hashApiKey(token), role)
  }
}

function refusal(c: Context, wrongKeys: RateLimiter): AppError {
  const { remoteAddress = '' } = (c.env as { incoming?: { socket: { remoteAddress?: string } } }).incoming?.socket ?? {}
  const { allowed, waitMs } = wrongKeys(remoteAddress, WRONG_KEYS_PER_S)
  if (!allowed) return tooMany('There were too many wrong keys from this address.', waitMs)
  return new AppError('unauthorized', 'This needs `Authorization: Bearer <key>` with a valid key.', {
    headers: { 'www-authenticate': 'Bearer realm="posthorn"' },
  })
}

/** For the audit log. */
export function actorOf(c: Context, caller: Caller): Actor {
  return { caller, requestId: String(c.get('requestId')) }
}
