import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { signEd25519 } from './ed25519.ts'

// Standard Webhooks 1.0.0, "Signature scheme".

const PREFIX = 'whsec_'
const MIN_BYTES = 24
const MAX_BYTES = 64
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A new signing secret: `whsec_` and 32 random bytes in base64. */
export function newSecret(): string {
  return PREFIX + randomBytes(32).toString('base64')
}

/** The key bytes of a `whsec_…` secret, or null when it is not one of 24 to 64 bytes. */
export function decodeSecret(secret: string): Buffer | null {
  if (!secret.startsWith(PREFIX)) return null
  const encoded = secret.slice(PREFIX.length)
  if (!BASE64.test(encoded)) return null
  const key = Buffer.from(encoded, 'base64')
  return key.length >= MIN_BYTES && key.length <= MAX_BYTES ? key : null
}

/**
 * The bytes of a secret (HMAC-SHA256), the same as a key object, or a private Ed25519 key. Who signs often has a key
 * object: Node makes one for each HMAC otherwise, and that takes four times as long as the HMAC (measured at 1 kB).
 */
export type SigningKey = Buffer | KeyObject

/**
 * The value of `webhook-signature` over the bytes that are sent: one signature for each key, `v1,<base64>` or
 * `v1a,<base64>`, separated by a space, in the order of the keys.
 * @param timestamp Unix seconds of the attempt
 */
export function sign(keys: readonly SigningKey[], id: string, timestamp: number, body: string | Buffer): string {
  return keys
    .map((key) =>
      Buffer.isBuffer(key) || key.type === 'secret'
        ? `v1,${signatureBytes(key, id, timestamp, body).toString('base64')}`
        : signEd25519(key, id, timestamp, body),
    )
    .join(' ')
}

/** The bytes of a `v1` signature. */
export function signatureBytes(
  key: Buffer | KeyObject,
  id: string,
  timestamp: number | string,
  body: string | Buffer,
): Buffer {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
}
