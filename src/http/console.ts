import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import { hashApiKey } from '../secrets.ts'
import type { Caller } from '../store/store.ts'
import { type ConsoleFiles, consoleFiles } from '../ui/console.ts'
import type { FindCaller } from './auth.ts'
import { checked, parseJson, readBytes, requireJson } from './body.ts'
import { notFound, UNCACHED_JSON } from './problem.ts'
import { isOwnPage, type Sessions } from './sessions.ts'

export interface ConsoleRoutes {
  findCaller: FindCaller
  sessions: Sessions
  publicUrl: string
}

const SESSION = '/admin/session'
const MAX_BYTES = 4096
const SignIn = z.object({ key: z.string().min(1).max(512) })

/** Nothing from elsewhere, no inline script, and no way to make markup out of text (Trusted Types). */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** The console: a page that calls the API of admins, and the session it does that with. */
export function consoleRoutes(app: OpenAPIHono, { findCaller, sessions, publicUrl }: ConsoleRoutes): void {
  // At the first request, not at the start: it reads and strips thirty files, and most processes never show them.
  let made: ConsoleFiles | null = null
  const shown = () => {
    made ??= consoleFiles(publicUrl)
    return made
  }
  const own = (c: Context) => {
    if (!isOwnPage(c)) throw new AppError('forbidden', 'A session is for the pages of the console only.')
  }
  app.get(SESSION, async (c) => {
    const key = await findCaller(c, sessions.keyHash(c), 'admin')
    return c.body(JSON.stringify(keyOf(key)), 200, UNCACHED_JSON)
  })
  app.post(SESSION, async (c) => {
    own(c)
    requireJson(c)
    const { key } = checked(SignIn, parseJson(await readBytes(c, MAX_BYTES)), 'body')
    const hash = hashApiKey(key)
    const caller = await findCaller(c, hash, 'admin')
    sessions.begin(c, hash)
    return c.body(JSON.stringify(keyOf(caller)), 200, UNCACHED_JSON)
  })
  app.delete(SESSION, (c) => {
    own(c)
    sessions.end(c)
    return c.body(null, 204)
  })
  app.get('/admin/assets/:name', (c) => {
    const file = shown().files.get(c.req.param('name'))
    if (file === undefined) throw notFound()
    const headers = { 'content-type': file.type, 'cache-control': 'no-cache', etag: file.etag }
    return c.req.header('if-none-match') === file.etag ? c.body(null, 304, headers) : c.body(file.body, 200, headers)
  })
  const showPage = (c: Context) =>
    c.body(shown().page, 200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'referrer-policy': 'no-referrer',
    })
  app.get('/admin', showPage)
  app.get('/admin/', showPage)
  // The page itself knows what it shows for which path.
  app.get('/admin/:page{(?!assets/|session$).+}', showPage)
}

/** Who is signed in. */
function keyOf({ id, name, prefix, lastFour }: Caller) {
  return { id, name, prefix, last_four: lastFour }
}
