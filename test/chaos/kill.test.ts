import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { nothingLost, settled } from './account.ts'
import { startCallbacks } from './callbacks.ts'
import { startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'
import { startLoad } from './load.ts'

const runs = [
  { engine: 'postgres', processes: 3, kills: form(4, 100), jobs: form(400, 10_000) },
  { engine: 'sqlite', processes: 1, kills: form(5, 100), jobs: form(500, 10_000) },
] as const

test.each(runs)(
  '$kills times kill -9 in $jobs jobs on $engine: none is lost, and only what was on its way comes again',
  { timeout: TIMEOUT_MS },
  async ({ engine, processes, kills, jobs }) => {
    await using callbacks = await startCallbacks({ delayMs: () => Math.random() * 30 })
    await using cluster = await startCluster({ engine, env: { POSTHORN_JOB_CONCURRENCY: '16' } })
    await Promise.all(Array.from({ length: processes }, () => cluster.start()))
    using load = startLoad({
      count: jobs,
      target: () => (cluster.members.size > 0 ? cluster.any().url : null),
      job: (n) => ({
        type: 'echo',
        payload: { n, delay_ms: n % 30 },
        callback_url: `${callbacks.urls[0]}/${n}`,
      }),
    })
    const onTheirWay: string[] = []
    const starts: Promise<unknown>[] = []
    for (let kill = 0; kill < kills; kill++) {
      // Each falls somewhere in its share of the jobs, with others under way.
      const fallsAt = (jobs * (kill + Math.random())) / kills
      load.allow(Math.ceil((jobs * (kill + 1)) / kills))
      await until('the load goes on', () => load.accepted.size >= fallsAt)
      await until('others are there', () => cluster.members.size >= Math.max(1, processes - 1))
      onTheirWay.push(...(await cluster.kill(cluster.any())))
      starts.push(cluster.start())
    }
    const lastKillAt = Date.now()
    await Promise.all(starts)
    const account = await settled(cluster, load, callbacks, onTheirWay)
    const lastArrivalAt = Math.max(...[...callbacks.byId.values()].map(({ arrivals }) => arrivals.at(-1) ?? 0))
    tell(`${kills} kills, ${jobs} jobs, ${engine}`, {
      onTheirWay: onTheirWay.length,
      duplicates: account.duplicates,
      unexplained: account.unexplained.length,
      repeated: load.repeated(),
      replayed: load.replayed(),
      lastCallbackAfterLastKillMs: lastArrivalAt - lastKillAt,
    })
    expect(account).toMatchObject(nothingLost(jobs))
    if (engine === 'sqlite') {
      expect(await cluster.tables.rows('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
    }
    // Else nothing was tried.
    expect(onTheirWay.length).toBeGreaterThan(0)
  },
)
