import { styleText } from 'node:util'
import { oneLine } from './plain.ts'

const BAR = 24
const CLEAR = '\r\u001b[K'

/** `[######……]  25 % what is said of it`, in a line of that many columns. */
export function progressLine(percent: number, message: string | null, columns: number): string {
  const full = Math.round((BAR * Math.min(100, Math.max(0, percent))) / 100)
  const bar = `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${String(Math.floor(percent)).padStart(3)} %`
  const text = message === null ? '' : ` ${oneLine(message)}`
  return (bar + text).slice(0, Math.max(0, columns - 1))
}

/** A bar on standard error that is drawn over and over, where that is a terminal. Disposing takes it away. */
export interface ProgressBar extends Disposable {
  show(percent: number, message: string | null): void
}

export function progressBar(): ProgressBar {
  const { stderr } = process
  const clear = (): void => {
    if (stderr.isTTY) stderr.write(CLEAR)
  }
  return {
    show(percent, message) {
      if (!stderr.isTTY) return
      const line = progressLine(percent, message, stderr.columns || 80)
      stderr.write(CLEAR + styleText('cyan', line, { stream: stderr }))
    },
    [Symbol.dispose]: clear,
  }
}
