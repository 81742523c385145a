// W3C Trace Context, version 00.

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The caller's trace context, or a new one when it sent none that is valid. `newHex` makes that many hex digits. */
export function traceFrom(header: string | undefined, newHex: (digits: number) => string): string {
  const match = TRACEPARENT.exec(header ?? '')
  if (match && !/^0+$/.test(match[1] as string) && !/^0+$/.test(match[2] as string)) return match[0]
  return `00-${newHex(32)}-${newHex(16)}-00`
}

/**
 * How often what a request brings has been delivered by a service like this one. It is kept with the trace context,
 * as `;hops` behind it: both say where something came from, and are handed on with all that follows from it.
 */
export function withHops(traceparent: string, hops: number): string {
  return hops === 0 ? traceparent : `${traceparent};${hops}`
}

/** What `withHops()` added. */
export function hopsOf(stored: string): number {
  return Number(stored.split(';')[1] ?? 0)
}

/** The same trace with another span: what an outbound call carries. */
export function childSpan(stored: string, newHex: (digits: number) => string): string {
  const [version, traceId, , flags] = (stored.split(';')[0] as string).split('-')
  return `${version}-${traceId}-${newHex(16)}-${flags}`
}
