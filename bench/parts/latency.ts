import { latencyFigures } from '../figures.ts'
import { runSteps } from '../run.ts'
import { endToEndPlan, endToEndRate } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** From when a job was due to be submitted to its callback at the receiver, at shares of each contender's own rate. */
export async function latency(bench: Bench): Promise<void> {
  const { contenders, results, times } = bench
  const rates = new Map<string, number>()
  for (const { name } of contenders) rates.set(name, await endToEndRate(bench, name))
  const { outstanding: _, ...plan } = endToEndPlan(times)
  const loads = [0.1, 0.5].map((share) => ({ load: `at ${100 * share} % of the end-to-end rate`, share }))
  await results.measureAll('latency', loads, contenders, async (contender, chosen) => {
    const steps = chosen.map(({ share }) => ({ ...plan, ratePerS: share * (rates.get(contender.name) ?? 0) }))
    return (await runSteps(contender, plan, steps)).map(latencyFigures)
  })
}
