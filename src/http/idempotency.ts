import type { Context } from 'hono'
import { parseIdempotencyKey, requestFingerprint } from '../core/idempotency.ts'
import { AppError } from '../errors.ts'
import type { NewKey } from '../store/store.ts'

/**
 * The `Idempotency-Key` of a request and what it is bound to; null when there is none.
 * @throws AppError 400 when it is malformed, or missing where it is `required`
 */
export function idempotencyKey(c: Context, raw: Uint8Array, required: boolean): NewKey | null {
  const header = c.req.header('idempotency-key')
  if (header === undefined) {
    if (required) throw new AppError('idempotency-key-required', 'The header Idempotency-Key is missing.')
    return null
  }
  const key = parseIdempotencyKey(header)
  if (key === null) {
    const issue = 'must be 1 to 255 visible characters, bare or between double quotes'
    throw new AppError('malformed-request', `Idempotency-Key ${issue}.`, {
      details: [{ field: 'Idempotency-Key', issue, location: 'header' }],
    })
  }
  return { key, fingerprint: requestFingerprint(c.req.method, c.req.path, raw) }
}
