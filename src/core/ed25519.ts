import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'

// Standard Webhooks 1.0.0, asymmetric signatures (v1a). A key is written as Svix writes it: `whsk_` and base64 of
// seed ‖ public key, `whpk_` and base64 of the public key.

const PRIVATE = 'whsk_'
const PUBLIC = 'whpk_'
const KEY_BYTES = 32
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
/** What stands before the bytes of a key in PKCS #8 and SPKI (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** A key pair as texts. */
export interface Ed25519Pair {
  /** `whsk_…`. */
  privateKey: string
  /** `whpk_…`. */
  publicKey: string
}

export function newEd25519Pair(): Ed25519Pair {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const [seed, point] = [d, x].map((part) => Buffer.from(part as string, 'base64url')) as [Buffer, Buffer]
  return {
    privateKey: PRIVATE + Buffer.concat([seed, point]).toString('base64'),
    publicKey: PUBLIC + point.toString('base64'),
  }
}

/** The key of a `whsk_…`, or null when it is not one, or its halves do not belong together. */
export function ed25519PrivateKey(text: string): KeyObject | null {
  const bytes = bytesOf(text, PRIVATE, 2 * KEY_BYTES)
  if (bytes === null) return null
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, bytes.subarray(0, KEY_BYTES)]),
    format: 'der',
    type: 'pkcs8',
  })
  const point = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
  return point.equals(bytes.subarray(KEY_BYTES)) ? key : null
}

/** The key of a `whpk_…`, or null when it is not one. */
export function ed25519PublicKey(text: string): KeyObject | null {
  const bytes = bytesOf(text, PUBLIC, KEY_BYTES)
  return bytes && createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: 'der', type: 'spki' })
}

/** `v1a,<base64>` over what is sent. @param timestamp Unix seconds of the attempt */
export function signEd25519(key: KeyObject, id: string, timestamp: number | string, body: string | Buffer): string {
  return `v1a,${sign(null, signedContent(id, timestamp, body), key).toString('base64')}`
}

/** @param signature What follows `v1a,` */
export function verifyEd25519(
  key: KeyObject,
  id: string,
  timestamp: number | string,
  body: string | Buffer,
  signature: string,
): boolean {
  return verify(null, signedContent(id, timestamp, body), key, Buffer.from(signature, 'base64'))
}

/** A public key as JSON Web Key (RFC 8037 §2). @param kid Names it */
export function ed25519Jwk(publicKey: string, kid: string) {
  const x = Buffer.from(publicKey.slice(PUBLIC.length), 'base64').toString('base64url')
  return { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA', kid, x } as const
}

function signedContent(id: string, timestamp: number | string, body: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${id}.${timestamp}.`), Buffer.from(body)])
}

function bytesOf(text: string, prefix: string, length: number): Buffer | null {
  const encoded = text.slice(prefix.length)
  if (!text.startsWith(prefix) || !BASE64.test(encoded)) return null
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.length === length && bytes.toString('base64') === encoded ? bytes : null
}
