import type { Clock } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import type { BusinessEvents } from '../events.ts'
import type { ReplayStore } from '../store/store.ts'

export interface ReplayDriverDependencies {
  replays: ReplayStore
  clock: Clock
  events: BusinessEvents
  engine: Engine
  /** How long a replayed delivery may wait for a lane that is not sent to. */
  deliveryTtlMs: number
}

/** One transaction holds no more letters than this, so that it does not stop the others (DESIGN §4). */
const STEP_LETTERS = 200
/** Steps of one replay in a row, before the next has its turn. */
const STEPS_IN_ROW = 20
/** How often it is looked whether there is one, while none is running. */
const IDLE_MS = 200
/** … and after it could not be looked. */
const FAILED_MS = 1000

/**
 * Takes each running replay as far as its rate lets it, and rings for the lanes of what is due then. To be repeated
 * every few ten ms, in any number of processes.
 */
export function replayDriver(deps: ReplayDriverDependencies): () => Promise<void> {
  const { replays, clock, events } = deps
  let lookAt = 0
  return async () => {
    if (clock.now() < lookAt) return
    // Should the store be away.
    lookAt = clock.now() + FAILED_MS
    const running = await replays.running()
    lookAt = running.length === 0 ? clock.now() + IDLE_MS : 0
    for (const id of running) {
      // One that cannot go on does not stop the others.
      await drive(id, deps).catch((error: unknown) => events.taskFailed('replaying dead letters', error))
    }
  }
}

async function drive(id: string, { replays, engine, clock, events, deliveryTtlMs }: ReplayDriverDependencies) {
  for (let step = 0; step < STEPS_IN_ROW; step++) {
    const now = clock.now()
    const taken = await replays.step({ id, now, limit: STEP_LETTERS, expiresAt: now + deliveryTtlMs })
    if (taken === null) return
    if (taken.lanes.length > 0) engine.wake('lanes', taken.lanes)
    if (taken.replay.status === 'done') events.bulkReplayDone(taken.replay)
    if (!taken.more) return
  }
}
