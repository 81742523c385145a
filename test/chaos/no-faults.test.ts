import { expect, test } from 'vitest'
import { nothingLost, settled } from './account.ts'
import { startCallbacks } from './callbacks.ts'
import { startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'
import { startLoad } from './load.ts'

const JOBS = form(600, 10_000)

test.each([1, 100])(
  `${JOBS} jobs over three processes, %i endpoints: as many callbacks, none twice, and no error in the database`,
  { timeout: TIMEOUT_MS },
  async (endpoints) => {
    await using callbacks = await startCallbacks({ endpoints })
    await using cluster = await startCluster()
    await Promise.all([cluster.start(), cluster.start(), cluster.start()])
    const beganAt = performance.now()
    using load = startLoad({
      count: JOBS,
      submitters: 24,
      target: () => cluster.any().url,
      job: (n) => ({ type: 'echo', payload: { n }, callback_url: `${callbacks.urls[n % endpoints]}/${n}` }),
    })
    load.allow(JOBS)
    await load.done
    const acceptedS = (performance.now() - beganAt) / 1000
    const account = await settled(cluster, load, callbacks)
    const arrivals = [...callbacks.byId.values()].flatMap(({ arrivals }) => arrivals)
    const deliveredS = (arrivals.reduce((a, b) => Math.max(a, b)) - arrivals.reduce((a, b) => Math.min(a, b))) / 1000
    tell(`${JOBS} jobs, 3 processes, ${endpoints} endpoints`, {
      acceptedPerS: Math.round(JOBS / acceptedS),
      deliveredPerS: Math.round(JOBS / deliveredS),
      duplicates: account.duplicates,
    })
    expect(account).toMatchObject({ ...nothingLost(JOBS), duplicates: 0 })
    expect(cluster.complaints()).toEqual([])
    expect(load.repeated()).toBe(0)
  },
)
