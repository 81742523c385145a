import type { ErrorClass } from '../core/delivery.ts'
import { withPort } from './address.ts'

const MAX_TEXT_CHARACTERS = 200
const MAX_CAUSES = 16

/** What went wrong, in one line for people that begins with a code. */
export interface Failure {
  class: ErrorClass
  text: string
}

/** A failure that knows its class: raised by our own rules, not by Node. */
export class EgressError extends Error {
  readonly errorClass: ErrorClass

  constructor(errorClass: ErrorClass, text: string) {
    super(text)
    this.name = 'EgressError'
    this.errorClass = errorClass
  }
}

/** From the code to the class. The first pattern that fits decides. */
const CLASSES: readonly (readonly [RegExp, ErrorClass])[] = [
  [/^ERR_IP_BLOCKED$/, 'blocked_address'],
  [/^(ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_CONNECTION_TIMEOUT)$/, 'timeout'],
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL|ETIMEOUT)$/, 'dns'],
  [/^(CERT_|CRL_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERROR_IN_C)/, 'tls'],
  [/^(EPROTO|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/, 'tls'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED)$/, 'reset'],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EACCES|EPERM|EINVAL|EMFILE|ENFILE)$/,
    'connect',
  ],
]

/** The class and the line for whatever got, Node or our own lookup threw. */
export function describeError(error: unknown): Failure {
  const causes = [...causesOf(error)]
  const own = causes.find((cause) => cause instanceof EgressError)
  if (own) return { class: own.errorClass, text: oneLine(own.message) }
  const coded = causes.filter((cause) => codeOf(cause) !== null)
  const blocked = coded.some((cause) => codeOf(cause) === 'ERR_IP_BLOCKED')
  if (blocked) return { class: 'blocked_address', text: 'ERR_IP_BLOCKED: the address is not a public one' }
  const root = coded.at(-1)
  return { class: classOf(root), text: root ? textOf(root) : oneLine(String(causes[0] ?? error)) }
}

/** Text that may hold what a receiver sent, as one short line without control characters. */
export function oneLine(text: string): string {
  const line = text.replace(/[\p{C}\s]+/gu, ' ').trim()
  return line.length > MAX_TEXT_CHARACTERS ? `${line.slice(0, MAX_TEXT_CHARACTERS - 1)}…` : line
}

/** Outermost first; of several addresses tried in vain, the first one's error is the last given. */
function* causesOf(error: unknown): Generator<Error> {
  let next = error
  for (let seen = 0; seen < MAX_CAUSES && next instanceof Error; seen += 1) {
    if (next instanceof AggregateError) yield* next.errors.slice(1).filter((each) => each instanceof Error)
    yield next
    next = next instanceof AggregateError ? next.errors[0] : next.cause
  }
}

function classOf(error: Error | undefined): ErrorClass {
  const code = (error && codeOf(error)) ?? ''
  return CLASSES.find(([pattern]) => pattern.test(code))?.[1] ?? 'protocol'
}

function textOf(error: Error): string {
  const code = codeOf(error) ?? error.name
  const { address, port } = error as Error & { address?: unknown; port?: unknown }
  if (typeof address === 'string' && typeof port === 'number') return oneLine(`${code} ${withPort(address, port)}`)
  // `write EPROTO 404D…:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/…`
  const sslReason = /SSL routines:[^:]*:([^:]+)/.exec(error.message)?.[1]
  // Node goes on with advice for whoever starts it, which is not who reads this.
  const message = sslReason ?? error.message.replace(/; if the root CA .*/s, '')
  return oneLine(message.includes(code) ? message : `${code}: ${message}`)
}

function codeOf(error: Error): string | null {
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' && !code.startsWith('ERR_GOT') ? code : null
}
