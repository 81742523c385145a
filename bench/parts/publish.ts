import { deliveryFigures } from '../figures.ts'
import { run } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** At least so many events are on their way at once. */
const MIN_EVENTS = 8

/** One event to many endpoints. What is counted is deliveries. */
export async function publish({ contenders, results, times }: Bench): Promise<void> {
  const base = endToEndPlan(times)
  for (const endpoints of [1, 10, 100]) {
    const outstanding = Math.max(base.outstanding ?? 0, MIN_EVENTS * endpoints)
    const load = `one event to ${endpoints}, by delivery`
    await results.measure('publish', load, contenders, async (contender) =>
      deliveryFigures(await run(contender, { ...base, send: 'events', endpoints, outstanding })),
    )
  }
}
