import { deliveryFigures } from '../figures.ts'
import type { Step } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'
import { measureSteps } from './steps.ts'

/** At least so many events are on their way at once. */
const MIN_EVENTS = 8

/** One event to many endpoints. What is counted is deliveries. */
export async function publish(bench: Bench): Promise<void> {
  const plan = endToEndPlan(bench.times)
  const loads = [1, 10, 100].map((endpoints) => {
    const outstanding = Math.max(plan.outstanding ?? 0, MIN_EVENTS * endpoints)
    const step: Step = { ...plan, send: 'events', endpoints, outstanding }
    return { load: `one event to ${endpoints}, by delivery`, step }
  })
  await measureSteps(bench, 'publish', loads, bench.contenders, plan, deliveryFigures)
}
