import { deliveryFigures } from '../figures.ts'
import { ALL_ROLES, type RunPlan, run } from '../run.ts'
import type { Bench } from './part.ts'
import { measureSteps } from './steps.ts'

const NAME = 'end-to-end'
const CONNECTIONS = 32
/** Enough for four times as many as one endpoint may have in flight, so that none waits for the generator. */
const OUTSTANDING = 256

/** Jobs accepted, processed, delivered and recorded. */
export async function endToEnd(bench: Bench): Promise<void> {
  const plan = endToEndPlan(bench.times)
  const loads = [1, 100].flatMap((endpoints) =>
    [0, 20].map((receiverDelayMs) => ({
      load: loadName(endpoints, receiverDelayMs),
      step: { ...plan, endpoints, receiverDelayMs },
    })),
  )
  await measureSteps(bench, NAME, loads, bench.contenders, plan, deliveryFigures)
}

/** One endpoint that answers at once. */
export function endToEndPlan(times: Bench['times']): RunPlan {
  return {
    ...times,
    roles: ALL_ROLES,
    connections: CONNECTIONS,
    outstanding: OUTSTANDING,
    send: 'jobs',
    endpoints: 1,
    receiverDelayMs: 0,
    drains: true,
  }
}

/** The rate with one endpoint that answers at once: measured before, or now. */
export async function endToEndRate({ contenders, results, times }: Bench, name: string): Promise<number> {
  const known = results.rateOf(NAME, loadName(1, 0), name)
  const contender = contenders.find((one) => one.name === name)
  if (known !== null || contender === undefined) return known ?? 0
  return deliveryFigures(await run(contender, endToEndPlan(times))).ratePerS ?? 0
}

export function loadName(endpoints: number, delayMs: number): string {
  const answer = delayMs === 0 ? 'answering at once' : `answering after ${delayMs} ms`
  return `${endpoints} endpoint${endpoints === 1 ? '' : 's'} ${answer}`
}
