import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { nothingLost, settled } from './account.ts'
import { startCallbacks } from './callbacks.ts'
import { readJob, submit } from './client.ts'
import { type Member, startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'
import { startLoad } from './load.ts'

const STOPS = form(4, 100)
const JOBS = form(400, 10_000)
/** POSTHORN_GRACE, as it is by default. */
const GRACE_MS = 25_000

test(`${STOPS} times SIGTERM under load, each process replaced by another: nothing is lost, nothing comes twice`, {
  timeout: TIMEOUT_MS,
}, async () => {
  await using callbacks = await startCallbacks({ delayMs: () => Math.random() * 30 })
  await using cluster = await startCluster({ env: { POSTHORN_JOB_CONCURRENCY: '16' } })
  await Promise.all([cluster.start(), cluster.start(), cluster.start()])
  using load = startLoad({
    count: JOBS,
    target: () => cluster.any().url,
    job: (n) => ({ type: 'echo', payload: { n, delay_ms: n % 100 }, callback_url: `${callbacks.urls[0]}/${n}` }),
  })
  const starts: Promise<Member>[] = []
  const exits: { code: number | null; ms: number; finished: number }[] = []
  for (let stop = 0; stop < STOPS; stop++) {
    load.allow(Math.ceil((JOBS * (stop + 1)) / STOPS))
    const fallsAt = (JOBS * (stop + Math.random())) / STOPS
    await until('the load goes on', () => load.accepted.size >= fallsAt)
    await until('others are there', () => cluster.members.size >= 2)
    const [oldest] = [...cluster.members] as [Member]
    starts.push(cluster.start())
    const beganAt = performance.now()
    const code = await cluster.end(oldest, 'SIGTERM')
    exits.push({ code, ms: Math.round(performance.now() - beganAt), finished: finishedAtTheEnd(oldest) })
  }
  await Promise.all(starts)
  const account = await settled(cluster, load, callbacks)
  const slowestMs = Math.max(...exits.map(({ ms }) => ms))
  const finished = exits.reduce((sum, exit) => sum + exit.finished, 0)
  const { duplicates } = account
  tell(`${STOPS} times SIGTERM, ${JOBS} jobs`, { duplicates, finished, slowestMs, repeated: load.repeated() })
  expect(account).toMatchObject({ ...nothingLost(JOBS), duplicates: 0 })
  expect(new Set(exits.map(({ code }) => code))).toEqual(new Set([0]))
  expect(slowestMs).toBeLessThan(GRACE_MS)
  expect(await cluster.tables.number("SELECT count(*) FROM attempts WHERE outcome <> 'delivered'")).toBe(0)
  // Else nothing was under way when they were told to end.
  expect(finished).toBeGreaterThan(0)
})

/** Runs and attempts that ended after it was told to stop. */
function finishedAtTheEnd({ lines }: Member): number {
  const last = lines.slice(lines.findIndex(({ event }) => event === 'service.stopping'))
  return last.filter(({ event }) => event === 'job.run' || event === 'delivery.attempt').length
}

test(
  'a second SIGTERM ends a process that still waits for a run, and the run is done by the next',
  async () => {
    await using cluster = await startCluster({ engine: 'sqlite' })
    const first = await cluster.start()
    const id = await submit(first.url, { type: 'echo', payload: { delay_ms: 60_000 } })
    await until('it runs', async () => (await readJob(first.url, id)).status === 'processing')
    first.child.kill('SIGTERM')
    await until('it stops', () => first.lines.some(({ event }) => event === 'service.stopping'))
    // A signal within a second is the same press of Ctrl-C.
    await delay(1100)
    expect(first.child.exitCode).toBeNull()
    const beganAt = performance.now()
    expect(await cluster.end(first, 'SIGTERM')).toBe(1)
    expect(performance.now() - beganAt).toBeLessThan(5000)
    const next = await cluster.start()
    await until('it runs again', async () => (await readJob(next.url, id)).status === 'processing')
  },
  TIMEOUT_MS,
)
