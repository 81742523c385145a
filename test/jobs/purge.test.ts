import { expect, test } from 'vitest'
import type { TenantFiles } from '../../src/files/tenant-files.ts'
import { purgeOld } from '../../src/jobs/expire.ts'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import { MINUTE_MS, minuteOf } from '../../src/store/stats-store.ts'
import { fakeClock } from '../support/clock.ts'

const DAY_MS = 86_400_000

test('figures are kept for two days, however long the rest is', async () => {
  const clock = fakeClock()
  await using store = openSqliteStore(MEMORY)
  const minutes = [3 * DAY_MS, 2 * DAY_MS - MINUTE_MS, 0].map((ago) => minuteOf(clock.now() - ago))
  const counted = { scope: '', outcome: 'delivered', bucket: 1, count: 1 } as const
  await store.stats.add(minutes.map((minute) => ({ ...counted, minute })))
  const { jobs, deliveries, events: eventStore, files: uploads, replays, stats } = store
  // Nothing was uploaded.
  const files = { removeBytes: async () => {} } as unknown as TenantFiles
  await purgeOld({ jobs, deliveries, eventStore, uploads, replays, stats, files, clock, retentionMs: 30 * DAY_MS })
  const kept = (await stats.attempts({ kind: 'platform' }, 0)).minutes.map(({ minute }) => minute)
  expect(kept.sort()).toEqual(minutes.slice(1))
})
