import type { JsonText } from '../core/job.ts'
import type { OldSecret } from '../store/store.ts'

/** Past this many, rotating drops the oldest: each signs, and a header is not to grow without bound. */
const MAX_OLD_SECRETS = 10

/** Those that still sign. */
export function oldSecretsOf(json: JsonText, now: number): OldSecret[] {
  return (JSON.parse(json) as OldSecret[]).filter(({ until }) => until > now)
}

/** … with the one that is rotated out. Without an overlap all of them end at once. */
export function withOldSecret(json: JsonText, sealed: string, overlapMs: number, now: number): JsonText {
  const old = overlapMs > 0 ? [{ secret: sealed, until: now + overlapMs }, ...oldSecretsOf(json, now)] : []
  return JSON.stringify(old.slice(0, MAX_OLD_SECRETS))
}
