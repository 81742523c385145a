import type { JobProblem } from '../core/job.ts'
import { problemOf, Suspension } from './define.ts'
import type { RunResult } from './isolate.ts'

const DEFAULT_TIMEOUT_S = 24 * 3600

/** `job.suspend`, on either side of a thread. */
export function suspension({ timeoutS = DEFAULT_TIMEOUT_S }: { timeoutS?: number } = {}): Suspension {
  if (!(timeoutS > 0)) throw new RangeError('timeoutS must be above 0')
  return new Suspension(timeoutS)
}

/** What a handler returned, told apart. Nothing is null; what is no JSON (a BigInt, a circle) is a problem. */
export function resultOf(value: unknown): RunResult {
  if (value instanceof Suspension) return { suspend: { timeoutS: Number(value.timeoutS) } }
  try {
    return { json: JSON.stringify(value) ?? 'null' }
  } catch (error) {
    return { problem: notStored(error) }
  }
}

/** The work was done, and its result cannot be kept. Another run may return another one. */
export function notStored(error: unknown): JobProblem {
  return { ...problemOf(error), code: 'result_not_stored', title: 'The result cannot be stored' }
}
