import { BARE } from '../contenders/bare.ts'
import type { Contender } from '../contenders/contender.ts'
import type { Figures } from '../figures.ts'
import { type Run, runSteps, type SessionPlan, type Step } from '../run.ts'
import type { Bench } from './part.ts'

/** One load of several that the same processes are put under. */
export interface StepLoad {
  load: string
  step: Step
}

/** Measures loads that follow each other in one session of each contender. Beside the bare loop, nothing else goes on. */
export async function measureSteps(
  { results }: Bench,
  part: string,
  loads: readonly StepLoad[],
  contenders: readonly Contender[],
  plan: SessionPlan,
  figuresOf: (ran: Run) => Figures,
): Promise<void> {
  await results.measureAll(part, loads, contenders, async (contender, chosen) => {
    const steps = chosen.map(({ step }) => (contender.name === BARE ? alone(step) : step))
    return (await runSteps(contender, plan, steps)).map(figuresOf)
  })
}

function alone({ beside: _, ...step }: Step): Step {
  return step
}
