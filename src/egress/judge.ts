import { knownAddresses, parseAddress } from './address.ts'
import { type EgressAllow, isOpened, opensPort } from './allow.ts'
import { isDeniedPort } from './ports.ts'
import { type Address, DENIED_IPV4, DENIED_IPV6, isWithin, METADATA, PUBLIC_IPV6, parseRanges } from './ranges.ts'

export { type EgressAllow, parseEgressAllow } from './allow.ts'

/** Browsers, proxies and servers agree on this much. */
const MAX_URL_CHARACTERS = 2048
/** RFC 1035 §2.3.4. */
const MAX_LABEL_CHARACTERS = 63
const MAX_NAME_CHARACTERS = 253

const METADATA_RANGES = parseRanges(METADATA)
const DENIED_RANGES = parseRanges([...DENIED_IPV4, ...DENIED_IPV6])
const PUBLIC_RANGES = parseRanges(['0.0.0.0/0', PUBLIC_IPV6])

export type UrlJudgement = { url: URL } | { problem: 'invalid_url' | 'blocked_address'; text: string }

/**
 * Why this port of this address may not be reached, as the end of a sentence about it, or null when it may.
 * The text names no address, so it can be shown to whoever gave the name.
 */
export function judgeAddress(address: string, port: number, allow: EgressAllow): string | null {
  const parsed = parseAddress(address)
  if (parsed === null) return 'is not a plain IP address'
  if (isWithin(parsed, METADATA_RANGES)) return 'is a cloud metadata or link-local address'
  if (isOpened(parsed, port, allow)) return null
  if (isDeniedPort(port)) return deniedPort(port)
  if (!isPublic(parsed)) return 'is not a public address'
  return allow.ownAddresses.has(parsed.toString()) ? 'is an address of this host' : null
}

/**
 * Whether a URL may be called, as far as that shows without DNS. The URL to use is the one returned, not the text.
 * `localhost` names are judged as the loopback addresses they are, and pass when one of those is allowed.
 */
export function judgeUrl(url: string, allow: EgressAllow): UrlJudgement {
  const parsed = url.length > MAX_URL_CHARACTERS ? null : URL.parse(url)
  if (parsed === null) return invalid(`The URL is not an absolute one of at most ${MAX_URL_CHARACTERS} characters.`)
  const text = urlProblem(parsed)
  if (text !== null) return invalid(text)
  const blocked = judgeHost(parsed.hostname, portOf(parsed), allow)
  if (blocked !== null) return { problem: 'blocked_address', text: `The URL's host ${blocked}.` }
  // What the WHATWG parser repairs, other parsers read as another host.
  if (/[\s\p{Cc}\\]/u.test(url) || !/^https?:\/\/[^/?@]/i.test(url) || /^[^/]+\/\/[^/?]*@/.test(url)) {
    return invalid('The URL is not written as http(s)://host[:port]/path without spaces, backslashes and userinfo.')
  }
  return { url: parsed }
}

/** The port a URL stands for. */
export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

function isPublic(address: Address): boolean {
  return isWithin(address, PUBLIC_RANGES) && !isWithin(address, DENIED_RANGES)
}

function urlProblem(url: URL): string | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'The URL is neither http nor https.'
  if (url.href.length > MAX_URL_CHARACTERS) return `The URL is longer than ${MAX_URL_CHARACTERS} characters.`
  if (url.username !== '' || url.password !== '') return 'The URL contains a user name or password.'
  if (url.href.includes('#')) return 'The URL has a fragment, which is never sent.'
  if (url.port === '0') return 'The URL has port 0.'
  return hasPossibleName(url.hostname) ? null : "The URL's host cannot be a DNS name."
}

function hasPossibleName(hostname: string): boolean {
  if (hostname.startsWith('[')) return true
  const name = hostname.replace(/\.$/, '')
  // got takes the host `unix` for a socket in the file system.
  if (name.length > MAX_NAME_CHARACTERS || name === 'unix') return false
  return name.split('.').every((label) => label.length >= 1 && label.length <= MAX_LABEL_CHARACTERS)
}

function judgeHost(hostname: string, port: number, allow: EgressAllow): string | null {
  const judgements = knownAddresses(hostname)?.map((address) => judgeAddress(address, port, allow))
  if (judgements) return judgements.includes(null) ? null : (judgements[0] ?? null)
  if (!isDeniedPort(port) || allow.rules.some((rule) => opensPort(rule, port))) return null
  return deniedPort(port)
}

function deniedPort(port: number): string {
  return `is asked on port ${port}, which is not one for HTTP`
}

function invalid(text: string): UrlJudgement {
  return { problem: 'invalid_url', text }
}
