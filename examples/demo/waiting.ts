import { setTimeout as delay } from 'node:timers/promises'

const TIMEOUT_MS = 20_000
const POLL_MS = 100

/** Reads until the condition holds. @throws Error that says what was waited for */
export async function poll<T>(what: string, read: () => Promise<T>, until: (value: T) => boolean): Promise<T> {
  const giveUpAt = performance.now() + TIMEOUT_MS
  for (;;) {
    const value = await read()
    if (until(value)) return value
    if (performance.now() > giveUpAt) throw new Error(`waited ${TIMEOUT_MS / 1000} s for ${what}`)
    await delay(POLL_MS)
  }
}

/** What the promise brings, if it does so in time. @throws Error that says what was waited for */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const enough = new AbortController()
  const timeout = delay(TIMEOUT_MS, undefined, { signal: enough.signal }).then(() => {
    throw new Error(`waited ${TIMEOUT_MS / 1000} s for ${what}`)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    enough.abort()
    timeout.catch(() => {})
  }
}

/** A fact the demo rests on. @throws Error when it does not hold */
export function check(holds: boolean, fact: string): asserts holds {
  if (!holds) throw new Error(`this should be so and is not: ${fact}`)
}
