import type { Context } from 'hono'
import type { Clock } from '../clock.ts'
import { decideRate } from '../core/rate.ts'
import { AppError } from '../errors.ts'

/** Keys that were idle this long are forgotten; their bucket is full again by then. */
const FORGET_MS = 10_000

/** Counts one poll of a key. @throws AppError 429 when it polls too fast */
export type LimitPolls = (c: Context, keyId: string) => void

/** Polls are counted in memory and before the database is asked, so that a storm of them slows nothing else. */
export function pollLimiter(clock: Clock, perS: number): LimitPolls {
  const arrivals = new Map<string, number>()
  let sweptAt = clock.now()
  return (c, keyId) => {
    const now = clock.now()
    if (now - sweptAt > FORGET_MS) {
      sweptAt = now
      for (const [id, tat] of arrivals) if (tat < now) arrivals.delete(id)
    }
    const { allowed, tat, remaining, waitMs } = decideRate({ perS }, arrivals.get(keyId) ?? null, now)
    arrivals.set(keyId, tat)
    const waitS = Math.max(1, Math.ceil(waitMs / 1000))
    // draft-ietf-httpapi-ratelimit-headers-11; Retry-After must not be earlier than `t`.
    const headers = {
      'ratelimit-policy': `"poll";q=${perS};w=1`,
      ratelimit: `"poll";r=${Math.max(0, remaining)};t=${waitS}`,
    }
    for (const [name, value] of Object.entries(headers)) c.header(name, value)
    if (allowed) return
    throw new AppError('too-many-requests', `This key may ask ${perS} times a second.`, {
      headers: { ...headers, 'retry-after': String(waitS) },
    })
  }
}
