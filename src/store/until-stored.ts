import type { Clock } from '../clock.ts'
import { StoreUnavailableError } from '../errors.ts'

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5000

/**
 * Writes what must not be lost, e.g. the outcome of work that is done: while the storage takes nothing, it is kept here
 * and tried again. Other failures are thrown.
 * @param onFailure Told of each try that failed
 */
export async function untilStored<T>(
  write: () => Promise<T>,
  clock: Clock,
  onFailure: (error: unknown) => void,
): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      onFailure(error)
      await clock.sleep(pauseMs)
    }
  }
}
