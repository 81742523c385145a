import fc from 'fast-check'

/** The long form makes more than 100,000 steps in all. */
export const LONG = process.env.POSTHORN_CHAOS === 'long'

/** Of looking for a counterexample and making it small. What is then known is told before the test runs out of time. */
const LIMIT_MS = LONG ? 900_000 : 50_000
export const TIMEOUT_MS = LIMIT_MS + 15_000

/**
 * What fast-check printed when a property failed, to see it fail again: POSTHORN_MODEL_SEED, POSTHORN_MODEL_PATH and,
 * for sequences of commands, POSTHORN_MODEL_REPLAY_PATH.
 */
const { POSTHORN_MODEL_SEED: seed, POSTHORN_MODEL_PATH: path, POSTHORN_MODEL_REPLAY_PATH: replayPath } = process.env
const again = { ...(seed && { seed: Number(seed) }), ...(path && { path }) }

/** For commands. */
export const replayed: { replayPath?: string } = replayPath ? { replayPath } : {}

/** Looks for a counterexample in so many runs, fewer when the machine is slow. */
export async function holds<Given>(property: fc.IAsyncProperty<Given>, numRuns: number): Promise<void> {
  await fc.assert(property, { numRuns, ...again, plugins: [fc.interruptAfterTimeLimit(LIMIT_MS)] })
}

let steps = 0

/** A verb was called, whoever called it. */
export function countStep(): void {
  steps += 1
}

/** Says how many steps were made in this file: at the end of the long form. */
export function reportSteps(name: string): void {
  if (LONG) console.log(`${name}: ${steps} steps`)
}
