import { type KeyObject, timingSafeEqual } from 'node:crypto'
import { verifyEd25519 } from './ed25519.ts'
import { signatureBytes } from './signature.ts'
import type { Delivered, SignaturePart } from './verify-headers.ts'

/** Bounds what one diagnosis may cost. */
const MAX_HASHED_BYTES = 32 * 1024 * 1024
const MAX_HASHES = 10_000

export type Fits = ((key: Buffer | KeyObject, body: string | Buffer) => boolean) & { exhausted(): boolean }

/** Whether one of the signatures is one of the key's over the body, as long as that may go on. */
export function signatureMatcher({ id, timestamp, signatures }: Delivered): Fits {
  let hashes = 0
  let bytes = 0
  const fits = (key: Buffer | KeyObject, body: string | Buffer): boolean => {
    const parts = signatures.filter((part) => isOfKind(part, key))
    if (id === null || timestamp === null || parts.length === 0) return false
    hashes += 1
    bytes += body.length
    if (hashes > MAX_HASHES || bytes > MAX_HASHED_BYTES) return false
    if (!Buffer.isBuffer(key)) return parts.some(({ text }) => verifyEd25519(key, id, timestamp, body, text))
    const right = signatureBytes(key, id, timestamp, body)
    return parts.some((part) => sameBytes(part, right))
  }
  return Object.assign(fits, { exhausted: () => hashes > MAX_HASHES || bytes > MAX_HASHED_BYTES })
}

/** Whether such a key makes such signatures. */
export function isOfKind({ version }: SignaturePart, key: Buffer | KeyObject): boolean {
  return Buffer.isBuffer(key) ? version !== 'v1a' : version === 'v1a'
}

function sameBytes({ bytes }: SignaturePart, right: Buffer): boolean {
  return bytes.length === right.length && timingSafeEqual(bytes, right)
}

export function sameKey(one: Buffer | KeyObject, other: Buffer | KeyObject): boolean {
  if (Buffer.isBuffer(one) && Buffer.isBuffer(other)) return one.length === other.length && timingSafeEqual(one, other)
  return !Buffer.isBuffer(one) && !Buffer.isBuffer(other) && one.equals(other)
}
