import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import type { Sealer } from '../secrets.ts'

/** A working day. */
const SESSION_MS = 12 * 3_600_000
/** What the sealed text of the cookie belongs to. */
const PLACE = 'console session'

interface Session {
  /** SHA-256 of the admin key that signed in: a session ends with its key. */
  keyHash: string
  until: number
}

/**
 * Sessions of the console. They are nowhere but in a sealed cookie, so any process knows them, and signing out makes
 * the browser forget; what ends a session for good is to revoke its key.
 */
export interface Sessions {
  /** Sets the cookie: HttpOnly, SameSite=Strict, for 12 hours. */
  begin(c: Context, keyHash: string): void
  /** Of the session that the request is of, null when there is none. @throws AppError 403 when another site asks */
  keyHash(c: Context): string | null
  end(c: Context): void
}

export function cookieSessions(sealer: Sealer, clock: Clock, publicUrl: string): Sessions {
  const secure = publicUrl.startsWith('https:')
  // RFC 6265bis §4.1.3.2: with this prefix no other host of the domain can set it.
  const name = secure ? '__Host-posthorn_session' : 'posthorn_session'
  const attributes = { path: '/', httpOnly: true, sameSite: 'Strict', secure } as const
  return {
    begin(c, keyHash) {
      const session: Session = { keyHash, until: clock.now() + SESSION_MS }
      setCookie(c, name, sealer.seal(JSON.stringify(session), PLACE), { ...attributes, maxAge: SESSION_MS / 1000 })
    },
    keyHash(c) {
      const cookie = getCookie(c, name)
      if (cookie === undefined) return null
      if (!isOwnPage(c)) throw new AppError('forbidden', 'A session of the console is for its own pages only.')
      const session = opened(cookie, sealer)
      return session !== null && session.until > clock.now() ? session.keyHash : null
    },
    end: (c) => {
      deleteCookie(c, name, attributes)
    },
  }
}

/** One that cannot be opened is forged, damaged, or of a key that is not there any more. */
function opened(cookie: string, sealer: Sealer): Session | null {
  try {
    return JSON.parse(sealer.open(cookie, PLACE)) as Session
  } catch {
    return null
  }
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/**
 * Whether the request is made by a page of ours, besides what SameSite=Strict keeps away: another port or another
 * host of the domain is the same site. Browsers say so by Sec-Fetch-Site where the connection is safe or local, and by
 * Origin with every request that can change something; no page can set either.
 */
export function isOwnPage(c: Context): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  const origin = c.req.header('origin')
  if (origin === undefined) return SAFE.has(c.req.method)
  return URL.parse(origin)?.host === c.req.header('host')
}
