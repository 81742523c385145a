import { Suspension } from './define.ts'
import type { RunResult } from './isolate.ts'

const DEFAULT_TIMEOUT_S = 24 * 3600

/** `job.suspend`, on either side of a thread. */
export function suspension({ timeoutS = DEFAULT_TIMEOUT_S }: { timeoutS?: number } = {}): Suspension {
  if (!(timeoutS > 0)) throw new RangeError('timeoutS must be above 0')
  return new Suspension(timeoutS)
}

/** What a handler returned, told apart. @throws TypeError when it is not JSON */
export function resultOf(value: unknown): RunResult {
  if (value instanceof Suspension) return { suspend: { timeoutS: value.timeoutS } }
  return { json: JSON.stringify(value) ?? 'null' }
}
