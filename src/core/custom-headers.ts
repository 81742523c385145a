/** RFC 9110 §5.6.2: a token. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Visible ASCII, with spaces and tabs between: no CR, LF, NUL, nothing beyond ASCII (RFC 9110 §5.5). */
const VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/

/** ABUSE §3: what belongs to the connection, to us, or to whoever stands between. */
const FORBIDDEN = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'origin',
  'referer',
  'set-cookie',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
])
const FORBIDDEN_PREFIXES = ['webhook-', 'svix-', 'x-forwarded-', 'proxy-', 'sec-']

const MAX_HEADERS = 32
const MAX_VALUE = 4096
const MAX_TOTAL = 8192

/** What is wrong with an endpoint's own headers: the name it is about, or none when it is all of them. Null when nothing is. */
export function headersFault(headers: Readonly<Record<string, string>>): { name: string | null; text: string } | null {
  const entries = Object.entries(headers)
  if (entries.length > MAX_HEADERS) return { name: null, text: `must be at most ${MAX_HEADERS}` }
  const total = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (total > MAX_TOTAL) return { name: null, text: `must have at most ${MAX_TOTAL} characters together` }
  const names = new Set<string>()
  for (const [name, value] of entries) {
    const text = nameFault(name.toLowerCase(), names) ?? valueFault(value)
    if (text !== null) return { name, text }
    names.add(name.toLowerCase())
  }
  return null
}

function nameFault(name: string, before: ReadonlySet<string>): string | null {
  if (!TOKEN.test(name)) return 'is not a header name'
  if (before.has(name)) return 'is there twice'
  const forbidden = FORBIDDEN.has(name) || FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix))
  return forbidden ? 'may not be set' : null
}

function valueFault(value: string): string | null {
  if (value.length > MAX_VALUE) return `must have at most ${MAX_VALUE} characters`
  return VALUE.test(value) ? null : 'must be visible ASCII characters, with spaces only between them'
}
