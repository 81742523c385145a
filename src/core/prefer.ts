/** What a request prefers (RFC 7240), as far as it means something here. */
export interface Preferences {
  /** `respond-async`: the 202 is wanted rather than the wait. */
  respondAsync: boolean
  /** `wait=N` in seconds, null when it was not given. */
  waitS: number | null
  /** `handling=strict`: refuse what would otherwise be overlooked. */
  strict: boolean
  /** `return=minimal`: as little of a body as possible. */
  minimal: boolean
}

/** Delta-seconds may have any number of digits (RFC 9110 §10.2.3); more than this means "for ever". */
const MAX_WAIT_S = 2 ** 31

/** What stands between commas; those inside a quoted-string do not count, and a quote left open takes the rest. */
const ELEMENT = /(?:"(?:[^"\\]|\\.)*(?:"|$)|[^,"])+/gs
const PREFERENCE =
  /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[!#$%&'*+.^_`|~0-9A-Za-z-]*))?\s*(?:;.*)?$/s

/**
 * Reads a `Prefer` header; several lines are to be joined by commas. What is unknown or malformed is ignored (§2),
 * of a preference that comes twice the first counts, and of two that exclude each other neither (§4).
 */
export function parsePrefer(header: string | undefined): Preferences {
  const given = new Map<string, string>()
  const both = new Set<string>()
  for (const element of header?.match(ELEMENT) ?? []) {
    const [, token, word = ''] = PREFERENCE.exec(element) ?? []
    const name = token?.toLowerCase()
    if (name === undefined) continue
    const value = word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : word
    if (!given.has(name)) given.set(name, value)
    else if (given.get(name) !== value) both.add(name)
  }
  const exclusive = (name: string) => (both.has(name) ? undefined : given.get(name))
  const wait = given.get('wait') ?? ''
  return {
    // The token alone: `respond-async=false` is not in the grammar of §4.1.
    respondAsync: given.get('respond-async') === '',
    waitS: /^\d+$/.test(wait) ? Math.min(Number(wait), MAX_WAIT_S) : null,
    strict: exclusive('handling') === 'strict',
    minimal: exclusive('return') === 'minimal',
  }
}
