// W3C Trace Context, version 00.

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The caller's trace context, or a new one when it sent none that is valid. `newHex` makes that many hex digits. */
export function traceFrom(header: string | undefined, newHex: (digits: number) => string): string {
  const match = TRACEPARENT.exec(header ?? '')
  if (match && !/^0+$/.test(match[1] as string) && !/^0+$/.test(match[2] as string)) return match[0]
  return `00-${newHex(32)}-${newHex(16)}-00`
}

/** The same trace with another span: what an outbound call carries. */
export function childSpan(traceparent: string, newHex: (digits: number) => string): string {
  const [version, traceId, , flags] = traceparent.split('-')
  return `${version}-${traceId}-${newHex(16)}-${flags}`
}
