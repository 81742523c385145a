import type { Job } from './job.ts'
import { anyMatches, secretBytes, signatureOf } from './signature.ts'

/** An event that Posthorn really sent. */
export interface CallbackEvent<Data = Job> {
  /** The same over every retry and replay: delivery is at least once, so remember what was handled. */
  id: string
  /** `job.completed`, `job.failed` … */
  type: string
  /** Of the event, not of the attempt. RFC 3339. */
  timestamp: string
  /** For `job.*` the job. */
  data: Data
}

/** Headers as `fetch` has them, or as Node does. */
export type CallbackHeaders = Headers | Record<string, string | readonly string[] | undefined>

export interface CallbackOptions {
  headers: CallbackHeaders
  /** As it came: the signature is over the bytes, so JSON that was parsed and written again does not do. */
  body: string | Uint8Array | ArrayBuffer
  /** `whsec_…`. */
  secret?: string
  /** Any of these may have signed: the new one and the old one during a rotation. */
  secrets?: readonly string[]
  /** How far the clocks may be apart, both ways, in seconds. Default 300. */
  toleranceS?: number
  /** Default: now. */
  now?: Date
}

/**
 * - `missing_header`: one of the three `webhook-` headers is not there, so Posthorn did not send it
 * - `bad_timestamp`: not whole seconds
 * - `too_old`, `too_new`: sent again by somebody else, or a clock is wrong
 * - `bad_secret`: what was given as a secret is none
 * - `bad_signature`: another secret, or other bytes than were sent
 * - `bad_body`: rightly signed, but no event
 */
export type CallbackErrorCode =
  | 'missing_header'
  | 'bad_timestamp'
  | 'too_old'
  | 'too_new'
  | 'bad_secret'
  | 'bad_signature'
  | 'bad_body'

/** The request must not be believed. Answer it with 400 (with 500 for `bad_secret`: that is yours to mend). */
export class CallbackError extends Error {
  readonly code: CallbackErrorCode

  constructor(code: CallbackErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'CallbackError'
    this.code = code
  }
}

const DEFAULT_TOLERANCE_S = 300

/**
 * Verifies a callback by Standard Webhooks 1.0.0 and returns its event.
 * @throws CallbackError
 */
export async function verifyCallback<Data = Job>(options: CallbackOptions): Promise<CallbackEvent<Data>> {
  const keys = keysOf(options)
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    header(options.headers, name),
  ) as [string, string, string]
  checkTime(timestamp, options)
  const body = bytesOf(options.body)
  const right = await Promise.all(keys.map((key) => signatureOf(key, id, timestamp, body)))
  if (!anyMatches(signatures, right)) {
    throw new CallbackError('bad_signature', 'No signature fits: another secret, or not the bytes that were sent.')
  }
  return { id, ...eventIn<Data>(body) }
}

function keysOf({ secret, secrets = [] }: CallbackOptions): Uint8Array<ArrayBuffer>[] {
  const all = secret === undefined ? secrets : [secret, ...secrets]
  if (all.length === 0) throw new CallbackError('bad_secret', 'There is no secret to verify with.')
  return all.map((text) => {
    const key = secretBytes(text)
    if (key === null) throw new CallbackError('bad_secret', 'A secret is `whsec_` and base64 of 24 to 64 bytes.')
    return key
  })
}

function header(headers: CallbackHeaders, name: string): string {
  const value = isHeaders(headers) ? headers.get(name) : fieldOf(headers, name)
  if (!value) throw new CallbackError('missing_header', `The header ${name} is missing.`)
  return value
}

/** By what it does: frameworks bring `Headers` of their own. */
function isHeaders(headers: CallbackHeaders): headers is Headers {
  return typeof headers.get === 'function'
}

function fieldOf(headers: Exclude<CallbackHeaders, Headers>, name: string): string {
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name)
  return found.flatMap(([, value]) => value ?? []).join(', ')
}

function checkTime(timestamp: string, { toleranceS = DEFAULT_TOLERANCE_S, now = new Date() }: CallbackOptions): void {
  if (!/^\d{1,15}$/.test(timestamp)) throw new CallbackError('bad_timestamp', 'webhook-timestamp is not whole seconds.')
  const ageS = Math.floor(now.getTime() / 1000) - Number(timestamp)
  if (ageS > toleranceS) throw new CallbackError('too_old', `It was sent ${ageS} s ago.`)
  if (ageS < -toleranceS) throw new CallbackError('too_new', `It was sent ${-ageS} s in the future.`)
}

function bytesOf(body: CallbackOptions['body']): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  if (body instanceof Uint8Array) return body
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  throw new TypeError('The body must be the raw text or bytes, before anything parses it.')
}

function eventIn<Data>(body: Uint8Array): Omit<CallbackEvent<Data>, 'id'> {
  try {
    const { type, timestamp, data } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    if (typeof type === 'string' && typeof timestamp === 'string') return { type, timestamp, data }
  } catch (cause) {
    throw new CallbackError('bad_body', 'The body is not JSON.', cause)
  }
  throw new CallbackError('bad_body', 'The body is not an event: it has no type or no timestamp.')
}
