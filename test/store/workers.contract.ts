import { expect, test } from 'vitest'
import type { Subject } from './jobs.contract.ts'

/** What every store must do with the list of workers. */
export function workersContract(subject: Subject): void {
  test('a worker is on the list until it leaves', async () => {
    const { store, clock } = subject()
    await store.workers.enter('wrk_c', clock.now())
    expect((await store.workers.seen()).map(({ id }) => id)).toContain('wrk_c')
    await store.workers.leave('wrk_c')
    expect((await store.workers.seen()).map(({ id }) => id)).not.toContain('wrk_c')
  })

  test('one that has given a sign of life since it was seen is not struck off', async () => {
    const { store, clock } = subject()
    await store.workers.enter('wrk_c', clock.now())
    const worker = (await store.workers.seen()).find(({ id }) => id === 'wrk_c')
    const seen = { id: 'wrk_c', beats: worker?.beats ?? -1 }
    expect(await store.workers.beat('wrk_c', clock.now())).not.toBeNull()
    expect(await store.workers.strikeOff(seen)).toBe(false)
    expect(await store.workers.strikeOff({ ...seen, beats: seen.beats + 1 })).toBe(true)
  })

  test('one that was struck off learns it at its next sign of life', async () => {
    const { store, clock } = subject()
    await store.workers.enter('wrk_c', clock.now())
    await store.workers.leave('wrk_c')
    expect(await store.workers.beat('wrk_c', clock.now())).toBeNull()
  })
}
