import type { Context } from 'hono'
import type { Clock } from '../clock.ts'
import { decideRate, type RateDecision } from '../core/rate.ts'
import { AppError } from '../errors.ts'
import type { Caller } from '../store/store.ts'

/** Those that were idle this long are forgotten; their bucket is full again by then. */
const FORGET_MS = 10_000

/** Counts one arrival of a name. In memory and before the database is asked, so that a storm slows nothing else. */
export type RateLimiter = (name: string, perS: number) => RateDecision

export function rateLimiter(clock: Clock): RateLimiter {
  const arrivals = new Map<string, number>()
  let sweptAt = clock.now()
  return (name, perS) => {
    const now = clock.now()
    if (now - sweptAt > FORGET_MS) {
      sweptAt = now
      for (const [id, tat] of arrivals) if (tat < now) arrivals.delete(id)
    }
    const decision = decideRate({ perS }, arrivals.get(name) ?? null, now)
    arrivals.set(name, decision.tat)
    return decision
  }
}

/** Counts one call of a key. @throws AppError 429 when there are too many of it or of its tenant */
export type LimitCalls = (c: Context, caller: Caller, polled: boolean) => void

/** @param pollLimit Polls of a key a second, where its tenant has no limit of its own */
export function callLimiter(clock: Clock, pollLimit: number): LimitCalls {
  const requests = rateLimiter(clock)
  const polls = rateLimiter(clock)
  return (c, { id, tenantId, requestLimitPerS, pollLimitPerS }, polled) => {
    if (requestLimitPerS !== null && tenantId !== null) {
      const decision = requests(tenantId, requestLimitPerS)
      tell(c, 'requests', requestLimitPerS, decision, `This tenant may call ${requestLimitPerS} times a second.`)
    }
    if (!polled) return
    const perS = pollLimitPerS ?? pollLimit
    tell(c, 'poll', perS, polls(id, perS), `This key may ask ${perS} times a second.`)
  }
}

/** draft-ietf-httpapi-ratelimit-headers-11; Retry-After must not be earlier than `t`. */
function tell(c: Context, name: string, perS: number, decision: RateDecision, text: string): void {
  const { allowed, remaining, waitMs } = decision
  const headers = {
    'ratelimit-policy': `"${name}";q=${perS};w=1`,
    ratelimit: `"${name}";r=${Math.max(0, remaining)};t=${waitS(waitMs)}`,
  }
  for (const [header, value] of Object.entries(headers)) c.header(header, value, { append: true })
  if (!allowed) throw tooMany(text, waitMs, headers)
}

export function tooMany(text: string, waitMs: number, headers: Record<string, string> = {}): AppError {
  return new AppError('too-many-requests', text, { headers: { ...headers, 'retry-after': String(waitS(waitMs)) } })
}

function waitS(waitMs: number): number {
  return Math.max(1, Math.ceil(waitMs / 1000))
}
