import type { Caller } from './store.ts'

/** A caller whose key is still good; null when it is not, or there is none. */
export function unexpired(caller: Caller | null | undefined, now: number): Caller | null {
  if (caller == null) return null
  return caller.expiresAt === null || caller.expiresAt > now ? caller : null
}
