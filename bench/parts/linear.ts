import { BARE } from '../contenders/bare.ts'
import { deliveryFigures } from '../figures.ts'
import { endToEndPlan } from './end-to-end.ts'
import type { Bench } from './part.ts'
import { measureSteps } from './steps.ts'

/** Of the usual window: together they take no longer than three of them. */
const SHORT = 0.25
const TIMES = 10

/** The processor time of a job among few and among ten times as many, one after the other in the same process. */
export async function linear(bench: Bench): Promise<void> {
  const plan = endToEndPlan(bench.times)
  const loads = [
    { load: 'as many as it does in a moment', step: { ...plan, windows: SHORT } },
    { load: `in ${TIMES} times as long`, step: { ...plan, windows: TIMES * SHORT } },
  ]
  const services = bench.contenders.filter(({ name }) => name !== BARE)
  await measureSteps(bench, 'linear', loads, services, plan, deliveryFigures)
}
