import { deliveryFigures } from '../figures.ts'
import { run } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** The whole way with a million deliveries that wait for a retry and a million finished jobs, beside empty tables. */
export async function fullTables({ contenders, full, results, times }: Bench): Promise<void> {
  for (const endpoints of [1, 100]) {
    const load = `${endpoints} endpoint${endpoints === 1 ? '' : 's'} answering at once`
    await results.measure('full-tables', load, [...contenders, ...full], async (contender) =>
      deliveryFigures(await run(contender, { ...endToEndPlan(times), endpoints })),
    )
  }
}
