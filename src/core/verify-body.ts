/** What may have become of a body between its arrival and the verification, undone. */
export interface BodyVariant {
  code: string
  detail: string
  bytes: string | Buffer
}

const REPLACEMENT = '\uFFFD'
const READ_AS_LATIN1 = 'Its UTF-8 bytes were read as Latin-1. Read the body as bytes, or as UTF-8.'

/** What was signed, if this was made of it. Each is made when it is asked for. */
export function* bodyVariants(body: string): Generator<BodyVariant> {
  const edges = 'body_edges_changed'
  yield* variant(body, edges, 'It lacks the line end at its end.', () => `${body}\n`)
  yield* variant(body, edges, 'There are spaces or line ends around it that were not sent.', () => body.trim())
  yield* variant(body, edges, 'It begins with a byte order mark.', () => body.replace(/^\uFEFF/, ''))
  yield* variant(body, 'body_line_ends_changed', 'Its line ends were made CRLF.', () => body.replaceAll('\r\n', '\n'))
  yield* variant(body, 'body_line_ends_changed', 'Its line ends were made LF.', () => body.replaceAll(/\r?\n/g, '\r\n'))
  const latin1 = Buffer.from(body, 'latin1')
  if (latin1.length !== Buffer.byteLength(body) && latin1.toString('latin1') === body) {
    yield { code: 'body_reencoded', detail: READ_AS_LATIN1, bytes: latin1 }
  }
  yield* rewritten(body)
}

/** The same JSON, written by somebody else. */
function* rewritten(body: string): Generator<BodyVariant> {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return
  }
  if (typeof value === 'string') {
    const text = value
    yield* variant(body, 'body_quoted', 'It is JSON in a JSON string: it was serialised twice.', () => text)
  }
  const code = 'body_reserialised'
  const was = 'It was parsed and written anew'
  const why = 'Verify the bytes as they came, before any parser.'
  yield* variant(body, code, `${was}; it was sent minified. ${why}`, () => JSON.stringify(value))
  for (const [indent, name] of [
    [2, '2 spaces'],
    [4, '4 spaces'],
    ['\t', 'tabs'],
  ] as const) {
    yield* variant(body, code, `${was}; it was sent indented by ${name}. ${why}`, () =>
      JSON.stringify(value, null, indent),
    )
  }
  yield* variant(body, code, `${was}, with its characters beyond ASCII escaped otherwise. ${why}`, () =>
    asciiOnly(value),
  )
}

function* variant(body: string, code: string, detail: string, make: () => string): Generator<BodyVariant> {
  const bytes = make()
  if (bytes !== body) yield { code, detail, bytes }
}

function asciiOnly(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uFFFF]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** In what a received body differs from the one that was sent. */
export function compareBodies(received: string, sent: string): [code: string, detail: string] {
  const [mine, theirs] = [Buffer.from(received), Buffer.from(sent)]
  const shorter = Math.min(mine.length, theirs.length)
  let at = 0
  while (at < shorter && mine[at] === theirs[at]) at += 1
  const where = `From byte ${at} on it differs from what is sent (${mine.length} bytes instead of ${theirs.length}).`
  if (received === '') return ['body_empty', 'It is empty: something has read it before.']
  if (received === '[object Object]') return ['body_not_text', 'An object was made a string; pass the raw body.']
  if (received.includes(REPLACEMENT) && !sent.includes(REPLACEMENT)) {
    return ['body_reencoded', `${where} It holds U+FFFD: its bytes were read in another encoding than UTF-8.`]
  }
  if (Buffer.from(received, 'latin1').equals(theirs)) {
    return ['body_reencoded', `${where} ${READ_AS_LATIN1}`]
  }
  if (sameJson(received, sent)) {
    return [
      'body_reserialised',
      `${where} It is the same JSON, written anew: verify the bytes as they came, before any parser.`,
    ]
  }
  if (at === mine.length) return ['body_cut_off', `It ends after ${at} of ${theirs.length} bytes.`]
  return ['body_changed', where]
}

/** Whether both say the same, whatever the order of members. */
function sameJson(one: string, other: string): boolean {
  try {
    return canonical(JSON.parse(one)) === canonical(JSON.parse(other))
  } catch {
    return false
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
