import type { Context } from 'hono'
import { parseIdempotencyKey, requestFingerprint } from '../core/idempotency.ts'
import { AppError } from '../errors.ts'
import type { NewKey } from '../store/store.ts'

/** A request's key. PayPal's header is the same key, with another answer to a repeat. */
export interface RequestKey {
  key: NewKey
  profile: 'standard' | 'paypal'
}

/**
 * The idempotency key of a request and what it is bound to; null when there is none.
 * @param raw The body, or what stands for its bytes
 * @throws AppError 400 when it is malformed, given in two ways, or missing where it is `required`
 */
export function idempotencyKey(c: Context, raw: Uint8Array | string, required: boolean): RequestKey | null {
  const standard = c.req.header('idempotency-key')
  const paypal = c.req.header('paypal-request-id')
  if (standard !== undefined && paypal !== undefined && parseIdempotencyKey(standard) !== parseIdempotencyKey(paypal)) {
    throw malformed('PayPal-Request-Id', 'must not differ from Idempotency-Key')
  }
  const header = standard ?? paypal
  if (header === undefined) {
    if (required) throw new AppError('idempotency-key-required', 'The header Idempotency-Key is missing.')
    return null
  }
  const name = standard === undefined ? 'PayPal-Request-Id' : 'Idempotency-Key'
  const key = parseIdempotencyKey(header)
  if (key === null) throw malformed(name, 'must be 1 to 255 visible characters, bare or between double quotes')
  const bound = { key, fingerprint: requestFingerprint(c.req.method, c.req.path, raw) }
  return { key: bound, profile: standard === undefined ? 'paypal' : 'standard' }
}

function malformed(field: string, issue: string): AppError {
  return new AppError('malformed-request', `${field} ${issue}.`, { details: [{ field, issue, location: 'header' }] })
}
