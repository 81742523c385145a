import { createHash } from 'node:crypto'

const MAX_LENGTH = 255
const VISIBLE = /^[\x21-\x7e]+$/

/**
 * The key an `Idempotency-Key` header stands for, or null when it is malformed: 1 to 255 visible characters,
 * bare or as an RFC 8941 string (`k` and `"k"` are the same key).
 */
export function parseIdempotencyKey(header: string): string | null {
  const value = header.trim()
  const key = value.startsWith('"') ? unquote(value) : value
  if (key === null || key.length > MAX_LENGTH || !VISIBLE.test(key)) return null
  // Two header lines arrive joined as `a, b`; the space already fails VISIBLE, a quote left over means a broken string.
  return value.startsWith('"') || !key.includes('"') ? key : null
}

/** RFC 8941 §3.3.3: printable ASCII between quotes, with `\"` and `\\` as the only escapes. */
function unquote(value: string): string | null {
  const body = /^"((?:[^"\\]|\\["\\])*)"$/.exec(value)?.[1]
  return body === undefined ? null : body.replace(/\\(["\\])/g, '$1')
}

/** What a key is bound to: method, path and the raw body. `Prefer` is not part of it. */
export function requestFingerprint(method: string, path: string, body: Uint8Array | string): string {
  return createHash('sha256').update(`${method} ${path}\n`).update(body).digest('base64url')
}
