/**
 * What fast-check printed when a property failed, to see it fail again: POSTHORN_MODEL_SEED, POSTHORN_MODEL_PATH and,
 * for sequences of commands, POSTHORN_MODEL_REPLAY_PATH.
 */
export function replayed(): { seed?: number; path?: string; replayPath?: string } {
  const { POSTHORN_MODEL_SEED: seed, POSTHORN_MODEL_PATH: path, POSTHORN_MODEL_REPLAY_PATH: replayPath } = process.env
  return { ...(seed && { seed: Number(seed) }), ...(path && { path }), ...(replayPath && { replayPath }) }
}

/** The long form makes more than 100,000 steps in all. */
export const LONG = process.env.POSTHORN_CHAOS === 'long'
