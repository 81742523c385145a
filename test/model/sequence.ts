import fc from 'fast-check'
import type { Store } from '../../src/store/store.ts'
import { fakeClock } from '../support/clock.ts'
import { holds, replayed } from './check.ts'
import { settling } from './commands/deliveries.ts'
import { expiring } from './commands/expiry.ts'
import { filing } from './commands/files.ts'
import { delivering } from './commands/lanes.ts'
import { listing } from './commands/lists.ts'
import { queueing } from './commands/queue.ts'
import { rounds } from './commands/rounds.ts'
import { running } from './commands/runs.ts'
import { submitting } from './commands/submit.ts'
import { working } from './commands/workers.ts'
import { expectEverything } from './everything.ts'
import { reference } from './reference/reference.ts'
import { step, WORKERS, type World } from './world.ts'

/** An empty store for one run. */
export interface EmptyStore extends AsyncDisposable {
  store: Store
  register: World['register']
}

const steps = fc.oneof(
  ...submitting,
  ...queueing,
  ...rounds,
  ...running,
  ...expiring,
  ...filing,
  ...delivering,
  ...settling,
  ...listing,
  ...working,
  step(1, 'look at everything', fc.constant(null), (world) => expectEverything(world)),
)

let runs = 0

/** Runs random sequences of verbs on the store and on the reference; every answer must be the same. */
export async function agreesWithReference(open: () => Promise<EmptyStore>, numRuns: number): Promise<void> {
  const sequences = fc.commands([steps], { maxCommands: 120, size: 'max', ...replayed })
  const property = fc.asyncProperty(sequences, async (sequence) => {
    await using opened = await open()
    const world = await newWorld(opened)
    await fc.asyncModelRun(() => ({ model: world, real: world }), sequence)
    await expectEverything(world)
  })
  await holds(property, numRuns)
}

async function newWorld({ store, register }: EmptyStore): Promise<World> {
  const clock = fakeClock()
  const world: World = { store, register, clock, reference: reference(), origins: newOrigins(), runs: [], sent: [] }
  for (const worker of WORKERS) {
    await store.workers.enter(worker, clock.now())
    world.reference.workers.enter(worker)
  }
  return world
}

/** Receivers that no other run of this process has. */
export function newOrigins(): World['origins'] {
  runs += 1
  return [`http://a.run-${runs}.example`, `http://b.run-${runs}.example`, `http://c.run-${runs}.example`]
}
