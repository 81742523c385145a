/** Aborted by the first SIGINT or SIGTERM; the second one ends the process as if nobody listened. */
export interface Interrupt extends Disposable {
  signal: AbortSignal
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController()
  const abort = (): void => {
    stop()
    controller.abort(new Error('interrupted'))
  }
  const stop = (): void => {
    process.off('SIGINT', abort).off('SIGTERM', abort)
  }
  process.on('SIGINT', abort).on('SIGTERM', abort)
  return { signal: controller.signal, [Symbol.dispose]: stop }
}
