import { expect, test } from 'vitest'
import { type BulkReplayRun, replayWithKill } from '../support/bulk-replay-run.ts'

const RATE_PER_S = 500

/** At no moment more than 5 % above its rate, and in the end no more than that below it: the kill apart. */
function expectRate({ meanPerS, highestPerS }: BulkReplayRun, below: number): void {
  expect(meanPerS).toBeGreaterThan((1 - below) * RATE_PER_S)
  expect(highestPerS).toBeLessThan(1.05 * RATE_PER_S)
}

test('kill -9 in the middle of 2,000: each is sent once more, at the rate that was asked for', async () => {
  // In four seconds a machine with other work loses more than may be made up for.
  expectRate(await replayWithKill(2000, RATE_PER_S), 0.5)
}, 120_000)

test.skipIf(process.env.POSTHORN_CHAOS !== 'long')(
  'the same with 100,000',
  async () => {
    const run = await replayWithKill(100_000, RATE_PER_S)
    console.log(run)
    expectRate(run, 0.05)
  },
  1_200_000,
)
