import { latencyFigures } from '../figures.ts'
import { type RunPlan, run } from '../run.ts'
import { endToEndPlan, endToEndRate } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** From when a job was due to be submitted to its callback at the receiver, at shares of each contender's own rate. */
export async function latency(bench: Bench): Promise<void> {
  const { contenders, results, times } = bench
  const rates = new Map<string, number>()
  for (const { name } of contenders) rates.set(name, await endToEndRate(bench, name))
  for (const share of [0.1, 0.5]) {
    await results.measure('latency', `at ${100 * share} % of the end-to-end rate`, contenders, async (contender) => {
      const { outstanding: _, ...unbounded } = endToEndPlan(times)
      const plan: RunPlan = { ...unbounded, ratePerS: share * (rates.get(contender.name) ?? 0) }
      return latencyFigures(await run(contender, plan))
    })
  }
}
