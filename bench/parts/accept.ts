import { acceptFigures } from '../figures.ts'
import { ALL_ROLES, type Observed, type SessionPlan, type Step } from '../run.ts'
import type { Bench } from './part.ts'
import { measureSteps, type StepLoad } from './steps.ts'

const NAME = 'accept'
const CONNECTIONS = [1, 16, 64, 256]
/** There are many of them, and much happens in each. */
const WINDOWS = 0.75
/** What the promise of p99 at half the rate is about. */
const HALF_AT = 64

/** Durable 202s a second, by a process that does nothing else, and by one that does all. */
export async function accept(bench: Bench): Promise<void> {
  for (const roles of ['api', ALL_ROLES]) {
    const plan: SessionPlan = { ...bench.times, roles, drains: roles === ALL_ROLES }
    const loads: StepLoad[] = CONNECTIONS.map((connections) => ({
      load: loadName(roles, connections),
      step: stepOf(connections),
    }))
    if (roles !== ALL_ROLES) loads.push(halfLoad(loadName(roles, HALF_AT)))
    await measureSteps(bench, NAME, loads, bench.contenders, plan, acceptFigures)
  }
}

function stepOf(connections: number): Step {
  return { connections, send: 'jobs', endpoints: 0, receiverDelayMs: 0, windows: WINDOWS }
}

function halfLoad(whole: string): StepLoad {
  const halfOf = (earlier: readonly Observed[]): number => {
    const full = earlier.find(({ step }) => step.connections === HALF_AT)
    if (full === undefined) throw new Error(`half of a rate needs the whole: choose the load "${whole}", too`)
    return (acceptFigures(full).ratePerS ?? 0) / 2
  }
  return { load: `${whole}, at half that rate`, step: { ...stepOf(HALF_AT), ratePerS: halfOf } }
}

function loadName(roles: string, connections: number): string {
  return `${roles === ALL_ROLES ? 'all roles' : roles}, ${connections} connection${connections === 1 ? '' : 's'}`
}
