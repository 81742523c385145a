import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { EX_CONFIG, StartError } from './errors.ts'

/** Encrypts what the database must not hold in plain text. */
export interface Sealer {
  /** @param place What the text belongs to (tenant, row, column): the ciphertext opens nowhere else. */
  seal(text: string, place: string): string
  /** @throws Error when the ciphertext is damaged, belongs to another place, or its key is missing. */
  open(sealed: string, place: string): string
  /** Whether it was sealed with the first key, or with any there is. */
  isCurrent(sealed: string): boolean
  knows(sealed: string): boolean
  /** Id of the key it was sealed with. */
  keyIdOf(sealed: string): string
  /** A token for `place` that only this service can make, and tell again without storing it. */
  token(place: string): string
  isToken(token: string, place: string): boolean
}

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** AES-256-GCM; a sealed text is `v1:<key id>:<base64 of nonce, ciphertext and tag>`. The first key encrypts, all decrypt. */
export function createSealer(given: ReadonlyMap<string, Buffer>): Sealer {
  const keys = new Map([...given].map(([id, bytes]) => [id, createSecretKey(bytes)]))
  const [first] = keys
  if (first === undefined) throw new RangeError('a sealer needs a key')
  const [currentId, currentKey] = first
  const tokenOf = (key: KeyObject, place: string) =>
    `pht_${createHmac('sha256', key).update(place).digest('base64url')}`
  const keyIdOf = (sealed: string): string => sealed.split(':')[1] ?? ''
  return {
    keyIdOf,
    isCurrent: (sealed) => keyIdOf(sealed) === currentId,
    knows: (sealed) => keys.has(keyIdOf(sealed)),
    token: (place) => tokenOf(currentKey, place),
    isToken: (token, place) => [...keys.values()].some((key) => sameText(tokenOf(key, place), token)),
    seal(text, place) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(ALGORITHM, currentKey, nonce).setAAD(Buffer.from(place))
      const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]
      return `v1:${currentId}:${Buffer.concat(parts).toString('base64')}`
    },
    open(sealed, place) {
      const [version, id, encoded] = sealed.split(':')
      const key = keys.get(id ?? '')
      if (version !== 'v1' || encoded === undefined) throw new Error('not a sealed text')
      if (key === undefined) throw new Error(`the encryption key "${id}" is not among POSTHORN_ENCRYPTION_KEYS`)
      const bytes = Buffer.from(encoded, 'base64')
      if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('a sealed text is cut off')
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-TAG_BYTES))
      return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    },
  }
}

/** In constant time: both sides are hashed first, so that their lengths tell nothing either. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(left as Buffer, right as Buffer)
}

/** The encryption key of an embedded database: a file in its folder with mode 0600, made when it is not there. */
export function keyFile(folder: string): ReadonlyMap<string, Buffer> {
  const path = join(folder, 'encryption.key')
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    const file = openSync(path, 'wx', 0o600)
    writeSync(file, `${randomBytes(32).toString('base64')}\n`)
    fsyncSync(file)
    closeSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
  if (key.length !== 32) throw new StartError(`${path} does not hold an encryption key (base64 of 32 bytes)`, EX_CONFIG)
  return new Map([['file', key]])
}

/** A new API key: prefix, 32 random bytes and their CRC32, so that a secret scanner can tell it from other text. */
export function newApiKey(prefix: 'phc' | 'pha'): string {
  const random = randomBytes(32)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(random))
  return `${prefix}_${Buffer.concat([random, check]).toString('base64url')}`
}

/** What is stored of an API key. Keys have 256 random bits, so a plain hash is enough. */
export function hashApiKey(key: string): string {
  return hash('sha256', key, 'hex')
}
