import { deliveryFigures } from '../figures.ts'
import { endToEndPlan, loadName } from './end-to-end.ts'
import type { Bench } from './part.ts'
import { measureSteps } from './steps.ts'

/** The whole way with a million deliveries that wait for a retry and a million finished jobs, beside empty tables. */
export async function fullTables(bench: Bench): Promise<void> {
  const plan = endToEndPlan(bench.times)
  const loads = [1, 100].map((endpoints) => ({ load: loadName(endpoints, 0), step: { ...plan, endpoints } }))
  await measureSteps(bench, 'full-tables', loads, [...bench.contenders, ...bench.full], plan, deliveryFigures)
}
