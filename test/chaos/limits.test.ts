import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { change, publish, register } from './client.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const engines = [
  { engine: 'postgres', processes: 3 },
  { engine: 'sqlite', processes: 1 },
] as const
const ANSWER_MS = 30
const MOST_AT_ONCE = 6
const EVENTS = form(200, 3000)
const PER_S = 50
/** A lane may run ahead of its rate by this much and one attempt (src/core/lane.ts). */
const AHEAD = 0.1 * PER_S + 1

/** Beside other tests the machine is late now and then, for longer than a lane may make up for. */
const AT_LEAST = form(0.4, 0.95)

async function publishMany(cluster: Cluster, type: string, count: number): Promise<void> {
  let n = 0
  const publisher = async () => {
    while (n < count) await publish(cluster.any().url, { type, data: n++ })
  }
  await Promise.all(Array.from({ length: 8 }, publisher))
}

test.each(engines)(
  'limits of an endpoint hold on $engine with $processes processes',
  {
    timeout: TIMEOUT_MS,
  },
  async ({ engine, processes }) => {
    await using receiver = await startReceiver()
    let inFlight = 0
    let most = 0
    receiver.answer = async ({ path }, response) => {
      if (path !== '/busy') return response.end()
      most = Math.max(most, ++inFlight)
      await delay(ANSWER_MS)
      inFlight -= 1
      return response.end()
    }
    await using cluster = await startCluster({ engine })
    await Promise.all(Array.from({ length: processes }, () => cluster.start()))
    const { url } = cluster.any()
    // What waits is there before it is let go, so that only the limits slow it down.
    const busy = { url: `${receiver.url}/busy`, event_types: ['busy'], max_concurrency: MOST_AT_ONCE, enabled: false }
    const rate = { url: `${receiver.url}/rated`, event_types: ['rated'], rate_limit_per_s: PER_S, enabled: false }
    const lanes = [await register(url, busy), await register(url, rate)]
    await Promise.all([publishMany(cluster, 'busy', EVENTS), publishMany(cluster, 'rated', EVENTS)])
    for (const { id } of lanes) await change(url, `/v1/endpoints/${id}`, { enabled: true })
    const arrivals = (path: string) => receiver.hits.filter((hit) => hit.path === path).map(({ at }) => at)
    await until('all have arrived', () => receiver.hits.length >= 2 * EVENTS, TIMEOUT_MS)
    const rated = arrivals('/rated')
    const spanS = ((rated.at(-1) ?? 0) - (rated[0] ?? 0)) / 1000
    const perS = (EVENTS - AHEAD) / spanS
    const mostInAnySecond = Math.max(
      ...rated.map((from, first) => rated.findLastIndex((at) => at < from + 1000) - first + 1),
    )
    tell(`limits, ${engine}, ${processes} processes`, { most, perS, mostInAnySecond })
    expect(arrivals('/busy')).toHaveLength(EVENTS)
    expect(rated).toHaveLength(EVENTS)
    expect(most).toBeLessThanOrEqual(MOST_AT_ONCE)
    // Else nothing was limited.
    expect(most).toBeGreaterThan(MOST_AT_ONCE / 2)
    expect(perS).toBeGreaterThanOrEqual(PER_S * AT_LEAST)
    expect(perS).toBeLessThanOrEqual(PER_S * 1.05)
    // What is claimed within a second may arrive within a little less.
    expect(mostInAnySecond).toBeLessThanOrEqual((PER_S + AHEAD) * 1.1)
  },
)
