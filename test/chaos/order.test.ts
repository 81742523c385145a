import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { publish, register } from './client.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const engines = [
  { engine: 'postgres', processes: 3 },
  { engine: 'sqlite', processes: 1 },
] as const
const KEYS = 12
const PER_KEY = form(10, 200)
const KILLS = form(1, 20)
const STOPS = form(1, 5)
/** Of the answers. */
const FAILING = 0.15

/** Publishes 0, 1, 2 … with the key, each when the one before was accepted, whatever happens to the processes. */
async function publishInOrder(cluster: Cluster, key: string): Promise<void> {
  for (let n = 0; n < PER_KEY; n++) {
    const event = { type: 'order.moved', key, data: { key, n } }
    for (let accepted = false; !accepted; ) {
      const url = cluster.members.size > 0 ? cluster.any().url : null
      accepted =
        url !== null &&
        (await publish(url, event, { 'idempotency-key': `${key}-${n}` }).then(
          () => true,
          () => false,
        ))
      if (!accepted) await delay(50)
    }
    await delay(10)
  }
}

test.each(engines)(
  'the order of each key holds on $engine with $processes processes, failures and restarts',
  {
    timeout: TIMEOUT_MS,
  },
  async ({ engine, processes }) => {
    await using receiver = await startReceiver()
    receiver.answer = async (_hit, response) => {
      await delay(Math.random() * 20)
      response.writeHead(Math.random() < FAILING ? 500 : 200).end()
    }
    const env = { POSTHORN_RETRY_SCHEDULE: Array(30).fill('200ms').join() }
    await using cluster = await startCluster({ engine, env })
    await Promise.all(Array.from({ length: processes }, () => cluster.start()))
    await register(cluster.any().url, { url: receiver.url, event_types: ['order.*'], ordering: 'fifo' })
    const keys = Array.from({ length: KEYS }, (_, n) => `key-${n}`)
    const published = Promise.all(keys.map((key) => publishInOrder(cluster, key)))
    const unfinished = () => cluster.tables.number('SELECT count(*) FROM deliveries WHERE finished_at IS NULL')
    const arrived = () => receiver.hits.length
    const all = KEYS * PER_KEY
    for (let fault = 1; fault <= KILLS + STOPS; fault++) {
      await until('the load goes on', () => arrived() > (all * fault) / (KILLS + STOPS + 1))
      if (fault <= KILLS) await cluster.kill(cluster.any())
      else await cluster.end(cluster.any(), 'SIGTERM')
      await cluster.start()
    }
    await published
    await until('all is over', async () => (await unfinished()) === 0, TIMEOUT_MS)
    const seen = Map.groupBy(
      receiver.hits.map(({ body }) => (JSON.parse(body) as { data: { key: string; n: number } }).data),
      ({ key }) => key,
    )
    tell(`order, ${engine}, ${processes} processes`, { attempts: arrived(), events: all })
    for (const key of keys) {
      const numbers = seen.get(key)?.map(({ n }) => n) ?? []
      // A retry, or a repetition after a kill, comes before the next one.
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
      expect(new Set(numbers).size).toBe(PER_KEY)
    }
    expect(await cluster.tables.number("SELECT count(*) FROM deliveries WHERE status = 'delivered'")).toBe(all)
    // Else nothing was tried.
    expect(arrived()).toBeGreaterThan(all)
  },
)
