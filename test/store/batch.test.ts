import { expect, test } from 'vitest'
import { StoreUnavailableError } from '../../src/errors.ts'
import { Batch } from '../../src/store/postgres/batch.ts'

/** Doubles numbers, in one "transaction" a group; told what to fail on. */
function doubling(fail: (group: number[]) => unknown = () => undefined, lengthOf = (_: number) => 0) {
  const groups: number[][] = []
  const batch = new Batch(async (group: number[]) => {
    groups.push(group)
    await new Promise((resolve) => setImmediate(resolve))
    const error = fail(group)
    if (error !== undefined) throw error
    return group.map((n) => 2 * n)
  }, lengthOf)
  return { batch, groups }
}

test('calls of one moment travel together, and each gets its own answer', async () => {
  const { batch, groups } = doubling()
  expect(await Promise.all([1, 2, 3].map((n) => batch.run(n)))).toEqual([2, 4, 6])
  expect(groups).toEqual([[1, 2, 3]])
})

test('one that fails is told, and the others are written all the same', async () => {
  const { batch } = doubling((group) => (group.includes(2) ? new Error('two') : undefined))
  const results = await Promise.allSettled([1, 2, 3].map((n) => batch.run(n)))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test('a database that is gone fails all at once, without trying each', async () => {
  const { batch, groups } = doubling(() => new StoreUnavailableError(new Error('gone')))
  const results = await Promise.allSettled([1, 2, 3].map((n) => batch.run(n)))
  expect(results.every(({ status }) => status === 'rejected')).toBe(true)
  expect(groups).toHaveLength(1)
})

test('a deadlock is tried again one by one', async () => {
  const deadlock = new StoreUnavailableError(Object.assign(new Error('deadlock detected'), { code: '40P01' }))
  const { batch } = doubling((group) => (group.length > 1 ? deadlock : undefined))
  expect(await Promise.all([1, 2, 3].map((n) => batch.run(n)))).toEqual([2, 4, 6])
})

test('what is long is spread over several groups', async () => {
  const { batch, groups } = doubling(undefined, () => 5 * 1024 * 1024)
  await Promise.all([1, 2, 3].map((n) => batch.run(n)))
  expect(groups).toEqual([[1], [2], [3]])
})
