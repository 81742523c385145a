/** A request as somebody kept it. */
export interface CapturedRequest {
  headers: Record<string, string>
  body: Buffer
}

/**
 * Reads an HTTP request as it was on the wire (RFC 9112 §2.1): a request line, if it is there, headers, an empty line,
 * the body. Line ends may be LF alone. Of the body as much is taken as Content-Length says: editors add a line end.
 */
export function readCaptured(bytes: Buffer): CapturedRequest {
  const [end, length] = endOfHead(bytes)
  const lines = bytes.subarray(0, end).toString('latin1').split(/\r?\n/)
  const headers = headersOf(lines.filter((line, i) => i > 0 || !/^[A-Z]+ \S+ HTTP\/\d/.test(line)))
  const body = bytes.subarray(end + length)
  const declared = Number(headers['content-length'] ?? Number.NaN)
  return { headers, body: Number.isInteger(declared) ? body.subarray(0, declared) : body }
}

/** Where the head ends, and how long the empty line is. */
function endOfHead(bytes: Buffer): [end: number, length: number] {
  const found = ['\r\n\r\n', '\n\n'].map((mark) => [bytes.indexOf(mark), mark.length] as const)
  const [first] = found.filter(([at]) => at !== -1).toSorted(([a], [b]) => a - b)
  return first === undefined ? [bytes.length, 0] : [first[0], first[1]]
}

/** `name: value` of each line, names in lower case; what comes twice is joined as RFC 9110 §5.2 has it. */
export function headersOf(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name, value = ''] = /^([^:\s]+):\s*(.*?)\s*$/.exec(line) ?? []
    if (name === undefined) continue
    const key = name.toLowerCase()
    headers[key] = Object.hasOwn(headers, key) ? `${headers[key]}, ${value}` : value
  }
  return headers
}
