import { expect, test } from 'vitest'
import { bucketOf } from '../../src/core/histogram.ts'
import { AttemptCounts } from '../../src/delivery/attempt-counts.ts'
import type { ClaimedDelivery, StatRow, StatsStore } from '../../src/store/store.ts'
import { attempt, died } from '../store/fixtures.ts'

/** A store that remembers what was added; `fails` says at which additions it cannot. */
function store(fails: (addition: number) => boolean = () => false) {
  const added: StatRow[] = []
  const sizes: number[] = []
  let additions = 0
  const add = async (rows: readonly StatRow[]): Promise<void> => {
    additions += 1
    if (fails(additions)) throw new Error('it is away')
    sizes.push(rows.length)
    added.push(...rows.map((row) => ({ ...row })))
  }
  const sum = (scope: string) =>
    added.filter((row) => row.scope === scope).reduce((total, { count }) => total + count, 0)
  return { stats: { add } as StatsStore, added, sizes, sum }
}

const retry = { next: 'retry', dueAt: 0, errorClass: 'http_status', error: '' } as const
const NOW = Date.UTC(2026, 0, 1, 12, 30, 59, 999)

function made(changes: { endpointId?: string; durationMs?: number; decision?: object; now?: number } = {}) {
  const { endpointId = 'ep_1', durationMs = 5, decision = { next: 'delivered' }, now = NOW } = changes
  const delivery = { id: 'dlv_1', tenantId: 'ten_1', endpointId } as ClaimedDelivery
  return { delivery, attempt: attempt(delivery, { durationMs }), decision, now } as Parameters<AttemptCounts['add']>[0]
}

test('an attempt counts for its endpoint, its tenant and the platform, in the minute it ended', async () => {
  const { stats, added } = store()
  const counts = new AttemptCounts()
  counts.add(made())
  await counts.save(stats)
  const same = { minute: Date.UTC(2026, 0, 1, 12, 30), outcome: 'delivered', bucket: bucketOf(5), count: 1 }
  expect(added).toEqual(['', 'ten_1', 'ep_1'].map((scope) => ({ scope, ...same })))
})

test('a failure with another attempt to come is failed, the last one dead', async () => {
  const { stats, added } = store()
  const counts = new AttemptCounts()
  for (const decision of [retry, retry, died.decision]) counts.add(made({ decision }))
  await counts.save(stats)
  expect(added.filter(({ scope }) => scope === 'ep_1')).toMatchObject([
    { outcome: 'failed', count: 2 },
    { outcome: 'dead', count: 1 },
  ])
})

test('a delivery that arrived counts by the time since it was accepted; one of a replay does not', async () => {
  const { stats, added } = store()
  const counts = new AttemptCounts()
  const one = made()
  const delivered = (replays: number) => ({ ...one, delivery: { ...one.delivery, replays, createdAt: NOW - 4000 } })
  counts.add(delivered(0))
  counts.add(delivered(1))
  counts.add({ ...delivered(0), decision: retry } as typeof one)
  await counts.save(stats)
  const arrived = added.filter(({ outcome }) => outcome === 'arrived')
  expect(arrived).toMatchObject(['', 'ten_1', 'ep_1'].map((scope) => ({ scope, bucket: bucketOf(4000), count: 1 })))
})

test('what was saved is not saved again, and nothing is written for nothing', async () => {
  const { stats, sizes, sum } = store()
  const counts = new AttemptCounts()
  counts.add(made())
  await counts.save(stats)
  await counts.save(stats)
  counts.add(made())
  await counts.save(stats)
  expect([sum('ep_1'), sizes]).toEqual([2, [3, 3]])
})

test('what could not be saved is saved the next time, once', async () => {
  // Of 1,203 rows the second chunk fails.
  const { stats, sizes, sum } = store((addition) => addition === 2)
  const counts = new AttemptCounts()
  for (let n = 0; n < 1201; n++) counts.add(made({ endpointId: `ep_${n}` }))
  const saving = counts.save(stats)
  counts.add(made())
  await expect(saving).rejects.toThrow('it is away')
  await counts.save(stats)
  expect([sum(''), sum('ten_1'), sum('ep_1'), sum('ep_1200')]).toEqual([1202, 1202, 2, 1])
  expect(Math.max(...sizes)).toBe(500)
})
