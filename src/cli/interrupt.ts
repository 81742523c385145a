import { INTERRUPTED } from './exit-codes.ts'

/** Aborted by the first SIGINT or SIGTERM; another one ends the process at once. */
export interface Interrupt extends Disposable {
  signal: AbortSignal
}

/** One Ctrl-C arrives twice when npx passes on what the terminal has sent already. */
const SAME_PRESS_MS = 1000

export function onInterrupt(): Interrupt {
  const controller = new AbortController()
  let since: number | null = null
  const interrupted = (): void => {
    if (since !== null && performance.now() - since > SAME_PRESS_MS) process.exit(INTERRUPTED)
    since ??= performance.now()
    controller.abort(new Error('interrupted'))
  }
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted)
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      // The other half of a press may still come while the process ends.
      if (since === null) process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    },
  }
}
