import type { Check, CheckName } from './verify.ts'

/** What a delivery says of itself, as far as it was found. */
export interface Delivered {
  id: string | null
  timestamp: string | null
  signatures: SignaturePart[]
}

export interface SignaturePart {
  /** Null when there was none. */
  version: 'v1' | 'v1a' | null
  /** As it came, without its version. */
  text: string
  bytes: Buffer
}

const PARTS = ['id', 'timestamp', 'signature'] as const
const V1_BYTES = 32
/** More than any sender has keys. */
const MAX_SIGNATURES = 50
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** The three headers of Standard Webhooks, also under names that others give them. */
export function readHeaders(headers: Readonly<Record<string, string>>): { delivered: Delivered; checks: Check[] } {
  const found = PARTS.map((part) => findHeader(headers, part))
  const [id, timestamp, signature] = found
  const values = { id: id?.value ?? null, timestamp: timestamp?.value ?? null }
  const read = signature === undefined ? null : readSignatures(signature.value)
  const checks = [namesCheck(found), ...(read === null ? [] : [read.check])]
  return { delivered: { ...values, signatures: read?.signatures ?? [] }, checks }
}

interface Found {
  part: (typeof PARTS)[number]
  /** As it was given. */
  name: string
  value: string
}

/** `webhook-id` in any case; else what frameworks and other libraries make of it. */
function findHeader(headers: Readonly<Record<string, string>>, part: Found['part']): Found | undefined {
  const entries = Object.entries(headers).map(([name, value]) => ({ part, name, value: value.trim() }))
  const exact = entries.find(({ name }) => name.toLowerCase() === `webhook-${part}`)
  const like = new RegExp(`^(?:http[-_])?(?:x[-_])?(?:webhook|svix|webhooks|posthorn)[-_]${part}$`, 'i')
  return exact ?? entries.find(({ name }) => like.test(name.trim()))
}

function namesCheck(found: readonly (Found | undefined)[]): Check {
  const missing = PARTS.filter((_, i) => found[i] === undefined).map((part) => `webhook-${part}`)
  if (missing.length > 0) {
    const why = 'Is a proxy dropping them, or were they looked up under other names?'
    return verdict('headers', 'missing_headers', `There is no ${missing.join(', ')}. ${why}`)
  }
  const wrong = found.flatMap((one) =>
    one === undefined || one.name.toLowerCase() === `webhook-${one.part}` ? [] : [`${one.name} (webhook-${one.part})`],
  )
  if (wrong.length === 0) return verdict('headers', null, 'All three are there.')
  return verdict('headers', 'wrong_header_names', `These have other names than the standard’s: ${wrong.join(', ')}.`)
}

function readSignatures(value: string): { signatures: SignaturePart[]; check: Check } {
  const commas = value.replaceAll(/,\s*(?=v\d[a-z]?,)/g, ' ')
  const words = commas.split(/\s+/, MAX_SIGNATURES).filter((word) => word !== '')
  const signatures = words.flatMap((word) => readSignature(word) ?? [])
  const fault = faultOf(value, commas !== value, words, signatures)
  const seen = [...new Set(signatures.map(({ version }) => version))].join(' and ')
  const [code, detail] = fault ?? [null, `It holds ${seen}.`]
  return { signatures, check: verdict('signature_header', code, detail) }
}

/** Also without its version, with another separator, and in hexadecimal: whether it is right is another matter. */
function readSignature(word: string): SignaturePart | null {
  const [, version = '', text = ''] = /^(?:(v\d[a-z]?)[,=:])?(.*)$/s.exec(word) ?? []
  if (version !== '' && version !== 'v1' && version !== 'v1a') return null
  const hex = /^[0-9a-f]{64}$/i.test(text)
  if (!hex && !BASE64.test(text)) return null
  const part = { text, bytes: Buffer.from(text, hex ? 'hex' : 'base64') }
  return { version: version === '' ? null : version, ...part }
}

function faultOf(
  value: string,
  hadCommas: boolean,
  words: readonly string[],
  signatures: readonly SignaturePart[],
): [code: string, detail: string] | null {
  if (value === '') return ['signature_empty', 'It is empty.']
  if (hadCommas) {
    return [
      'comma_separated',
      'Between signatures is a comma; it must be a space. Proxies that join header lines do that.',
    ]
  }
  // A standard's receiver needs one that it knows, and overlooks the others.
  if (words.some((word) => /^v1a?,/.test(word)) && signatures.some(isWellFormed)) return null
  const [word = ''] = words
  const named = /^(v\d[a-z]?)([,=:]|$)/.exec(word)
  if (named === null) return ['signature_without_version', 'It must begin with its version: `v1,` and the base64.']
  if (named[1] !== 'v1' && named[1] !== 'v1a')
    return ['wrong_version', `There is no version ${named[1]}, only v1 and v1a.`]
  if (named[2] !== ',') return ['wrong_separator', 'Between version and signature must be a comma.']
  if (signatures.some(({ text }) => /^[0-9a-f]{64}$/i.test(text))) return ['signature_in_hex', 'It must be in base64.']
  return ['signature_malformed', 'It is not the base64 of a whole signature: was it cut off, or decoded?']
}

function isWellFormed({ version, text, bytes }: SignaturePart): boolean {
  const whole = bytes.length === (version === 'v1a' ? 2 * V1_BYTES : V1_BYTES)
  return version !== null && whole && bytes.toString('base64') === text
}

function verdict(name: CheckName, code: string | null, detail: string): Check {
  return { name, ok: code === null, code, detail }
}
