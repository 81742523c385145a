import { deliveryFigures } from '../figures.ts'
import { run } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** Several processes on one PostgreSQL, with the load spread over them; generator, receiver and database share the cores. */
export async function processes({ clustered, results, times }: Bench): Promise<void> {
  for (const count of [1, 2, 4]) {
    const load = `${count} process${count === 1 ? '' : 'es'}, 100 endpoints answering at once`
    await results.measure('processes', load, clustered, async (contender) =>
      deliveryFigures(await run(contender, { ...endToEndPlan(times), endpoints: 100, processes: count })),
    )
  }
}
