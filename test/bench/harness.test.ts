import { expect, test } from 'vitest'
import { RefusedFigure } from '../../bench/check.ts'
import { bareLoop, type Fault } from '../../bench/contenders/bare.ts'
import { backlog } from '../../bench/contenders/fill.ts'
import { onSqlite } from '../../bench/contenders/sqlite.ts'
import { acceptFigures, deliveryFigures } from '../../bench/figures.ts'
import { endToEndPlan } from '../../bench/parts/end-to-end.ts'
import { type RunPlan, run } from '../../bench/run.ts'

const TIMES = { warmupMs: 200, windowMs: 800 }
const END_TO_END: RunPlan = { ...endToEndPlan(TIMES), connections: 4, outstanding: 16 }
const ACCEPT: RunPlan = {
  ...TIMES,
  roles: 'api',
  connections: 4,
  send: 'jobs',
  endpoints: 0,
  receiverDelayMs: 0,
  drains: false,
}

const contenders = [bareLoop(), onSqlite()]

test.each(contenders)('accepting gives a rate and latencies: $name', async (contender) => {
  const figures = acceptFigures(await run(contender, ACCEPT))
  expect(figures.ratePerS).toBeGreaterThan(1)
  expect(figures.cpuUsEach).toBeGreaterThan(1)
  expect(figures.p99Ms).toBeGreaterThanOrEqual(figures.p50Ms ?? Number.NaN)
})

test.each(contenders)('the whole way gives a rate: $name', async (contender) => {
  const ran = await run(contender, END_TO_END)
  expect(deliveryFigures(ran).ratePerS).toBeGreaterThan(1)
  expect(ran.received.subjects.length).toBe(ran.load.ids.length)
})

test('tables that were filled before are left out of what is checked', async () => {
  const filled = onSqlite({ fill: () => backlog({ waiting: 200, finished: 100 }) })
  const ran = await run(filled, END_TO_END)
  expect(ran.stored?.length).toBe(ran.load.ids.length)
})

test('an event to several endpoints counts once for each', async () => {
  const ran = await run(onSqlite(), { ...END_TO_END, send: 'events', endpoints: 3 })
  expect(ran.received.subjects.length).toBe(3 * ran.load.ids.length)
})

test.each<[Fault, string]>([
  ['drop', 'did not all arrive'],
  ['double', 'came twice'],
  ['forge', 'not signed with the secret'],
])('there is no figure when some deliveries are wrong: %s', async (fault, reason) => {
  const ran = run(bareLoop(fault), { ...END_TO_END, drainMs: 500 })
  await expect(ran).rejects.toThrow(RefusedFigure)
  await expect(ran).rejects.toThrow(reason)
})
