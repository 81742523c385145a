import type { Endpoint } from './store.ts'

/** Columns of an endpoint that its lane learns. The rate is a claim's to write, limits are the owner's. */
export const LANE_COLUMNS: readonly (keyof Endpoint)[] = [
  'concurrency',
  'pausedUntil',
  'disabledAt',
  'disabledReason',
  'silentAttempts',
  'silentSince',
  'probeAt',
  'probeWaitMs',
  'failures',
  'failingSince',
  'lastSuccessAt',
]
