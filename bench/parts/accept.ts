import { acceptFigures } from '../figures.ts'
import { ALL_ROLES, type RunPlan, run } from '../run.ts'
import type { Bench } from './part.ts'

const NAME = 'accept'
const CONNECTIONS = [1, 16, 64, 256]
/** What the promise of p99 at half the rate is about. */
const HALF_AT = 64

/** Durable 202s a second, by a process that does nothing else, and by one that does all. */
export async function accept({ contenders, results, times }: Bench): Promise<void> {
  const plan = (roles: string, connections: number): RunPlan => ({
    ...times,
    roles,
    connections,
    send: 'jobs',
    endpoints: 0,
    receiverDelayMs: 0,
    drains: roles === ALL_ROLES,
  })
  for (const roles of ['api', ALL_ROLES]) {
    for (const connections of CONNECTIONS) {
      await results.measure(NAME, loadName(roles, connections), contenders, async (contender) =>
        acceptFigures(await run(contender, plan(roles, connections))),
      )
    }
  }
  await results.measure(NAME, `${loadName('api', HALF_AT)}, at half that rate`, contenders, async (contender) => {
    const ratePerS = (results.rateOf(NAME, loadName('api', HALF_AT), contender.name) ?? 0) / 2
    return acceptFigures(await run(contender, { ...plan('api', HALF_AT), ratePerS }))
  })
}

function loadName(roles: string, connections: number): string {
  return `${roles === ALL_ROLES ? 'all roles' : roles}, ${connections} connection${connections === 1 ? '' : 's'}`
}
