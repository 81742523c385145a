import { attempts } from './attempts.ts'
import { deliveries } from './deliveries.ts'
import { expiry } from './expiry.ts'
import { files, workers } from './files.ts'
import { lanes } from './lanes.ts'
import { queue } from './queue.ts'
import { runs } from './runs.ts'
import { emptyState, type State } from './state.ts'
import { submissions } from './submissions.ts'

export type Reference = ReturnType<typeof reference>

/**
 * A store as its docstrings and CONTRACT.md tell it, as simple as can be: maps in memory, searched from end to end.
 * Where the docstrings leave a choice (which ones, when there are more than the limit), it names the candidates, and is
 * told which of them the store has taken.
 */
export function reference(state: State = emptyState()) {
  return {
    state,
    jobs: { ...submissions(state), ...queue(state), ...runs(state), ...expiry(state) },
    deliveries: { ...lanes(state), ...attempts(state), ...deliveries(state) },
    files: files(state),
    workers: workers(state),
  }
}
