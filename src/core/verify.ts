import type { KeyObject } from 'node:crypto'
import { bodyVariants, compareBodies } from './verify-body.ts'
import { type Delivered, readHeaders } from './verify-headers.ts'
import { type Fits, isOfKind, sameKey, signatureMatcher } from './verify-match.ts'
import { type GivenSecret, readSecret } from './verify-secret.ts'

// What is wrong with a request that a receiver could not verify (Standard Webhooks 1.0.0, "Verifying webhooks").

/** A request as a receiver got it. */
export interface ReceivedRequest {
  headers: Readonly<Record<string, string>>
  /** As it was read, undecoded if that was possible. */
  body: string
  /** What the receiver verifies with; null: whatever may sign for it is tried. */
  secret: string | null
}

/** Something that signs, or has signed, a tenant's deliveries. */
export interface KnownKey {
  /** Bytes of a secret, or an Ed25519 public key. */
  key: Buffer | KeyObject
  /** Null: the tenant itself. */
  endpointId: string | null
  /** `old`: rotated out, and signs no more. */
  state: 'current' | 'overlapping' | 'old'
}

export type CheckName = 'headers' | 'signature_header' | 'secret' | 'body' | 'signature' | 'timestamp'

export interface Check {
  name: CheckName
  ok: boolean
  /** What is wrong, in a word that stays the same; null when nothing is. */
  code: string | null
  detail: string
}

export interface Diagnosis {
  valid: boolean
  /** The code of the first check that failed: the others may follow from it. */
  reason: string | null
  /** In the order in which they are to be put right. */
  checks: Check[]
}

/** Standard Webhooks' libraries take no more, in both directions. */
const TOLERANCE_S = 300

/**
 * Whether the signature is right, and if not why.
 * @param event The bytes of the event the request names, null when there is none (any more)
 * @param known In the order they are tried in
 * @param nowS Unix seconds
 */
export function diagnose(
  request: ReceivedRequest,
  known: readonly KnownKey[],
  event: string | null,
  nowS: number,
): Diagnosis {
  const { delivered, checks } = readHeaders(request.headers)
  const given = request.secret === null ? null : readSecret(request.secret)
  const clock = delivered.timestamp === null ? [] : [clockCheck(delivered.timestamp, nowS)]
  const rest = signatureChecks(request.body, delivered, given, known, event)
  const all = [...checks, ...rest, ...clock]
  const wrong = all.find(({ ok }) => !ok)
  return { valid: wrong === undefined, reason: wrong?.code ?? null, checks: all }
}

export function check(name: CheckName, code: string | null, detail: string): Check {
  return { name, ok: code === null, code, detail }
}

function clockCheck(timestamp: string, nowS: number): Check {
  if (/^\d{13}$/.test(timestamp)) return check('timestamp', 'timestamp_in_ms', 'It is in milliseconds, not in seconds.')
  if (!/^\d+$/.test(timestamp)) return check('timestamp', 'timestamp_malformed', 'It is not a whole number of seconds.')
  const skew = nowS - Number(timestamp)
  const text = skew < 0 ? `${-skew} s ahead of our clock` : `${skew} s old`
  if (Math.abs(skew) <= TOLERANCE_S) return check('timestamp', null, `It is ${text}.`)
  const why = `It is ${text}; receivers take ${TOLERANCE_S} s. If it has just arrived, your clock or its zone is wrong.`
  return check('timestamp', 'timestamp_outside_tolerance', `${why} If it is an old one, that is to be expected.`)
}

function signatureChecks(
  body: string,
  delivered: Delivered,
  given: GivenSecret | null,
  known: readonly KnownKey[],
  event: string | null,
): Check[] {
  const fits = signatureMatcher(delivered)
  const wanted = wantedKeys(given, known)
  const secret = given === null ? [] : [check('secret', given.code, given.detail)]
  const keys = given === null ? known : wanted
  const right = keys.find(({ key }) => fits(key, body))
  if (right !== undefined && right.state !== 'old') {
    return [...secret, check('body', null, 'It is the one that was signed.'), signedWith(right, given)]
  }
  const other = known.find(({ key }) => fits(key, body))
  if (other !== undefined) {
    return [...secret, check('body', null, 'It is the one that was signed.'), signedWithOther(other, given, known)]
  }
  const changed = changedBody(body, event, [...wanted, ...known], fits)
  if (changed !== null) {
    const match = keys.some(({ key }) => key === changed.by.key)
    const signature = match
      ? check('signature', 'signature_of_another_body', 'It is right for the body as it was sent.')
      : signedWithOther(changed.by, given, known)
    return [...secret, changed.check, signature]
  }
  return [...secret, unknownBody(body, event), noMatch(delivered, given, known, fits.exhausted())]
}

/** The key that was given, with what is known of it. It may sign no more: then an old request is still right for it. */
function wantedKeys(given: GivenSecret | null, known: readonly KnownKey[]): KnownKey[] {
  const key = given?.key
  if (key == null) return []
  const { endpointId = null, state = 'current' } = known.find((one) => sameKey(one.key, key)) ?? {}
  return [{ key, endpointId, state: state === 'old' ? 'current' : state }]
}

/** The body that was signed, where it is not the one that was received. */
function changedBody(body: string, event: string | null, keys: readonly KnownKey[], fits: Fits) {
  if (event !== null && event !== body) {
    const by = keys.find(({ key }) => fits(key, event))
    if (by !== undefined) return { by, check: check('body', ...compareBodies(body, event)) }
  }
  for (const { code, detail, bytes } of bodyVariants(body)) {
    const by = keys.find(({ key }) => fits(key, bytes))
    if (by !== undefined) return { by, check: check('body', code, detail) }
  }
  return null
}

/** No key fits any form of it: all that can be said is whether it is the event's. */
function unknownBody(body: string, event: string | null): Check {
  if (body === '') return check('body', 'body_empty', 'It is empty: something has read it before.')
  if (event === null) return check('body', null, 'There is no event of this id to compare it with.')
  return event === body ? check('body', null, 'It is the event’s.') : check('body', ...compareBodies(body, event))
}

function nameOf({ key, endpointId }: KnownKey): string {
  if (!Buffer.isBuffer(key)) return 'your Ed25519 key'
  return endpointId === null ? 'your own secret (of job callbacks)' : `the secret of ${endpointId}`
}

function signedWith(key: KnownKey, given: GivenSecret | null): Check {
  const by = given === null ? nameOf(key) : 'this secret'
  const old = key.state === 'overlapping' ? ': an old one, which signs only until its overlap is over' : ''
  return check('signature', null, `It is right, by ${by}${old}.`)
}

/** @param by What really signed */
function signedWithOther(by: KnownKey, given: GivenSecret | null, known: readonly KnownKey[]): Check {
  const mine = given?.key == null ? undefined : known.find((one) => sameKey(one.key, given.key as Buffer | KeyObject))
  if (by.state === 'old') {
    return check('signature', 'old_secret', `It was made by ${nameOf(by)}, an old one that signs no more.`)
  }
  if (given === null) return check('signature', null, `It is right, by ${nameOf(by)}.`)
  if (mine !== undefined && mine.state !== 'current' && mine.endpointId === by.endpointId) {
    return check('signature', 'old_secret', `This secret was rotated out; it was signed by ${nameOf(by)} of now.`)
  }
  const this_ = mine === undefined ? 'This secret is none of yours' : `This is ${nameOf(mine)}`
  return check('signature', 'secret_of_another_endpoint', `${this_}; it was signed by ${nameOf(by)}.`)
}

function noMatch(
  { id, timestamp, signatures }: Delivered,
  given: GivenSecret | null,
  known: readonly KnownKey[],
  exhausted: boolean,
): Check {
  if (id === null || timestamp === null || signatures.length === 0) {
    return check('signature', 'not_checked', 'It cannot be checked without the headers.')
  }
  if (given !== null && given.key === null)
    return check('signature', 'not_checked', 'Not by this secret, nor any of yours.')
  if (given !== null && !signatures.some((part) => isOfKind(part, given.key as Buffer | KeyObject))) {
    return check('signature', 'wrong_version', 'The header has no signature that this kind of key makes.')
  }
  const alone = known.length === 0 ? 'this secret' : 'this secret or any of yours'
  const by = given === null ? 'any secret of yours' : alone
  const more = exhausted ? ' Not all could be tried: give the secret that was meant.' : ''
  return check('signature', 'signature_mismatch', `It fits the body by no means tried with ${by}.${more}`)
}
