import type { Context } from 'hono'
import { AppError } from '../errors.ts'
import { hashApiKey } from '../secrets.ts'
import type { ApiKey, KeyRole, TenantStore } from '../store/store.ts'

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i

/** Who calls. @throws AppError 401 without a valid key, 403 with one of the other role */
export type Authenticate = (c: Context, role: KeyRole) => Promise<ApiKey>

export function authenticator(tenants: TenantStore): Authenticate {
  return async (c, role) => {
    const token = BEARER.exec(c.req.header('authorization') ?? '')?.[1]
    const key = token === undefined ? null : await tenants.findKey(hashApiKey(token))
    if (key === null) {
      throw new AppError('unauthorized', 'This needs `Authorization: Bearer <key>` with a valid key.', {
        headers: { 'www-authenticate': 'Bearer realm="posthorn"' },
      })
    }
    if (key.role !== role) {
      throw new AppError('forbidden', `This needs a key of the role ${role}; this one is of the role ${key.role}.`)
    }
    return key
  }
}
