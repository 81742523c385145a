import type { Context } from 'hono'
import { traceFrom, withHops } from '../core/trace.ts'
import { AppError } from '../errors.ts'
import { withHeaders } from './documented.ts'

/** Who hands events on to another service of ours does so once or twice. Several endpoints multiply with each hop. */
const MAX_HOPS = 3

/** What is answered to a submission that came round too often. */
export const cameRound = withHeaders(
  { description: 'It was delivered here too often, each time because of the last: see `webhook-hops`' },
  'Webhook-Delivery',
)

/**
 * Where a submission comes from, as it is stored with what it makes.
 * @throws AppError 508 (RFC 5842 §7.2) when it has come round too often: the delivery that brought it is given up
 */
export function traceOf(c: Context, newHex: (digits: number) => string): string {
  const header = c.req.header('webhook-hops') ?? ''
  const hops = /^\d+$/.test(header) ? Number(header) : 0
  if (hops > MAX_HOPS) {
    throw new AppError(
      'loop-detected',
      `This has been delivered ${MAX_HOPS} times already, each because of the last.`,
      {
        headers: { 'webhook-delivery': 'abort' },
      },
    )
  }
  return withHops(traceFrom(c.req.header('traceparent'), newHex), hops)
}
