import { BARE } from '../contenders/bare.ts'
import type { Contender } from '../contenders/contender.ts'
import { deliveryFigures, type Figures } from '../figures.ts'
import { run } from '../run.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'

/** Several processes on one PostgreSQL, with the load spread over them; generator, receiver and database share the cores. */
export async function processes({ clustered, results, times }: Bench): Promise<void> {
  const loads = [1, 2, 4].map((count) => ({
    load: `${count} process${count === 1 ? '' : 'es'}, 100 endpoints answering at once`,
    count,
  }))
  const figuresOf = async (contender: Contender, count: number): Promise<Figures> =>
    deliveryFigures(await run(contender, { ...endToEndPlan(times), endpoints: 100, processes: count }))
  await results.measureAll('processes', loads, clustered, async (contender, chosen) => {
    // The bare loop is one process however many are asked for.
    if (contender.name === BARE) return Array(chosen.length).fill(await figuresOf(contender, 1))
    const figures: Figures[] = []
    for (const { count } of chosen) figures.push(await figuresOf(contender, count))
    return figures
  })
}
