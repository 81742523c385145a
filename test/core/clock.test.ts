import { expect, test } from 'vitest'
import { idGenerator } from '../../src/clock.ts'

test('ids are UUIDv7 with a prefix, unique, and sort by creation even within a millisecond', () => {
  let now = Date.UTC(2026, 0, 1)
  const newId = idGenerator(() => now)
  const ids: string[] = []
  for (let i = 0; i < 10_000; i++) {
    if (i % 5000 === 4999) now += 1
    ids.push(newId('job'))
  }
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.toSorted()).toEqual(ids)
  for (const id of ids) expect(id).toMatch(/^job_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
})

test('a clock that is set back makes no id that sorts before an older one', () => {
  let now = 1000
  const newId = idGenerator(() => now)
  const first = newId('evt')
  now = 500
  expect(newId('evt') > first).toBe(true)
})
