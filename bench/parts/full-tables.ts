import { BARE } from '../contenders/bare.ts'
import { deliveryFigures } from '../figures.ts'
import { runSteps } from '../run.ts'
import { endToEndPlan, loadName } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** The whole way with a million deliveries that wait for a retry and a million finished jobs, beside empty tables. */
export async function fullTables({ contenders, full, results, times }: Bench): Promise<void> {
  const plan = endToEndPlan(times)
  const loads = [1, 100].map((endpoints) => ({ load: loadName(endpoints, 0), step: { ...plan, endpoints } }))
  await results.measureAll(
    'full-tables',
    loads,
    [...contenders.filter(({ name }) => name !== BARE), ...full],
    async (contender, chosen) => {
      const steps = chosen.map(({ step }) => step)
      return (await runSteps(contender, plan, steps)).map(deliveryFigures)
    },
  )
}
