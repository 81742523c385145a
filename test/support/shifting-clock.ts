import { type Clock, idGenerator, systemClock } from '../../src/clock.ts'

/** The real clock, as it would be after so much time more. Who sleeps is not woken by that. */
export interface ShiftingClock extends Clock {
  shift(ms: number): void
}

export function shiftingClock(): ShiftingClock {
  const real = systemClock()
  let ahead = 0
  const now = () => real.now() + ahead
  return {
    ...real,
    now,
    newId: idGenerator(now),
    shift(ms) {
      ahead += ms
    },
  }
}
