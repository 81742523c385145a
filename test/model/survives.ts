import fc from 'fast-check'
import { holds } from './check.ts'
import { type Ground, scenario, simulate } from './simulation/simulation.ts'
import { expectAllDone } from './simulation/verdict.ts'

/** Simulates processes whose store fails, who die, stop and stall; in the end all must be done. */
export async function survives(open: () => Promise<Ground & AsyncDisposable>, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(scenario, async (scenario) => {
    await using ground = await open()
    await expectAllDone(await simulate(scenario, ground))
  })
  await holds(property, numRuns)
}
