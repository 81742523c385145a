import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { addOtherTenant, OTHER_KEY } from '../support/tenants.ts'
import { until } from '../support/until.ts'
import { api } from './client.ts'
import { startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const BACKLOG = form(2000, 100_000)
const BATCH = 1000
const PROBES = form(15, 60)
/** From the submission to the callback; beside other tests one of them may be late for their sake. */
const AT_MOST_MS = 1000

test.each(['postgres', 'sqlite'] as const)(
  `a tenant with a backlog of ${BACKLOG} jobs and their deliveries on %s: another tenant's job is called back at once`,
  { timeout: TIMEOUT_MS },
  async (engine) => {
    await using slow = await startReceiver()
    slow.answer = async (_hit, response) => {
      slow.hits.length = 0
      await delay(2000)
      response.end()
    }
    await using receiver = await startReceiver()
    // So that both kinds of work pile up.
    await using cluster = await startCluster({ engine, env: { POSTHORN_DELIVERY_CONCURRENCY: '64' } })
    await addOtherTenant(cluster.env)
    const { url } = await cluster.start()
    for (let n = 0; n < BACKLOG; n += BATCH) {
      const job = { type: 'echo', payload: { delay_ms: 200 } }
      const jobs = Array.from({ length: BATCH }, (_, i) => ({ ...job, callback_url: `${slow.url}/${(n + i) % 8}` }))
      await api(url, '/v1/jobs/batch', { jobs })
    }
    const rows = (what: string) => cluster.tables.number(`SELECT count(*) FROM ${what}`)
    await until(
      'deliveries pile up',
      async () => (await rows("deliveries WHERE status = 'pending'")) > Math.min(500, BACKLOG / 100),
    )
    const latenciesMs: number[] = []
    for (let n = 0; n < PROBES; n++) {
      const sentAt = Date.now()
      const job = { type: 'echo', payload: {}, callback_url: `${receiver.url}/${n}` }
      await api(url, '/v1/jobs', job, { authorization: `Bearer ${OTHER_KEY}`, prefer: 'respond-async' })
      const [hit] = await receiver.waitFor(1, ({ path }) => path === `/${n}`)
      latenciesMs.push((hit?.at ?? Number.NaN) - sentAt)
    }
    const waiting = await rows("jobs WHERE queue = 'ready'")
    const sorted = latenciesMs.toSorted((a, b) => a - b)
    tell(`backlog of ${BACKLOG}, ${engine}`, { waiting, medianMs: sorted[PROBES >> 1], worstMs: sorted.at(-1) })
    expect(sorted.at(form(PROBES >> 1, -1))).toBeLessThanOrEqual(AT_MOST_MS)
    // Else there was nothing to wait behind.
    expect(waiting).toBeGreaterThan(0)
  },
)
