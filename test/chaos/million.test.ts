import Database from 'better-sqlite3'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { change, publish, register, submit } from './client.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const MANY = form(20_000, 1_000_000)
/** Enough to be busy with as long as it is enabled. */
const FEW = 500
const ROUNDS = form(3, 10)
/**
 * What a million more may add. The short form runs beside other tests, so it tells only what a transaction over all of
 * them would take.
 */
const BLOCKED_MS = form(300, 50)

/** As many copies of the one delivery that waits for an endpoint, each due. */
const copies = (type: string, series: string, columns: readonly string[]): string => {
  const values = columns.map((name) => (name === 'id' ? "id || '_' || n" : name))
  return `INSERT INTO deliveries (${columns.join(', ')}) SELECT ${values.join(', ')} FROM deliveries, ${series} WHERE event_type = '${type}'`
}

async function multiply({ server, tables, place }: Cluster, type: string, count: number): Promise<void> {
  const [row] = await tables.rows<object>('SELECT * FROM deliveries')
  const columns = Object.keys(row as object)
  if (server === null) {
    const db = new Database(place.slice('file:'.length))
    const series = '(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ?) SELECT n FROM s) s'
    db.prepare(copies(type, series, columns)).run(count)
    db.close()
    return
  }
  const client = new Client(place)
  await client.connect()
  await client.query(copies(type, 'generate_series(1, $1) n', columns), [count])
  await client.end()
}

/** How long each of the calls took, in ms, one after the other as long as it is asked for. */
function calling(call: () => Promise<unknown>) {
  const tookMs: number[] = []
  let over = false
  const done = (async () => {
    while (!over) {
      const beganAt = performance.now()
      await call()
      tookMs.push(performance.now() - beganAt)
    }
  })()
  return {
    async stop(): Promise<number[]> {
      over = true
      await done
      return tookMs
    },
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

test.each(['postgres', 'sqlite'] as const)(
  `${MANY} deliveries that wait for an endpoint make enabling and disabling it on %s no slower, nor anything else`,
  { timeout: TIMEOUT_MS },
  async (engine) => {
    await using receiver = await startReceiver()
    receiver.answer = (_hit, response) => {
      receiver.hits.length = 0
      response.end()
    }
    await using cluster = await startCluster({ engine })
    const preparing = await cluster.start()
    const waitFor = async (type: string, count: number) => {
      const { id } = await register(preparing.url, { url: receiver.url, event_types: [type], enabled: false })
      await publish(preparing.url, { type, data: 1 })
      return { id, type, count, changeMs: [] as number[], othersMs: [] as number[] }
    }
    const lanes = [await waitFor('few', FEW), await waitFor('many', MANY)] as const
    await cluster.end(preparing, 'SIGTERM')
    for (const { type, count } of lanes) await multiply(cluster, type, count)
    const { url } = await cluster.start()
    for (let round = 0; round < ROUNDS; round++) {
      for (const { id, changeMs, othersMs } of lanes) {
        for (const enabled of [true, false]) {
          const others = calling(() => submit(url, { type: 'echo', payload: {} }))
          const beganAt = performance.now()
          await change(url, `/v1/endpoints/${id}`, { enabled })
          changeMs.push(performance.now() - beganAt)
          // What it sets off is begun within this time.
          await new Promise((resolve) => setTimeout(resolve, 300))
          othersMs.push(Math.max(...(await others.stop())))
        }
      }
    }
    const count = (where: string) => cluster.tables.number(`SELECT count(*) FROM deliveries WHERE ${where}`)
    await until('nothing is on its way', async () => (await count("status = 'delivering'")) === 0)
    const [few, many] = lanes.map(({ changeMs, othersMs }) => ({ change: median(changeMs), others: median(othersMs) }))
    tell(`${MANY} waiting, ${engine}`, { few, many })
    expect(Number(many?.change) - Number(few?.change)).toBeLessThanOrEqual(BLOCKED_MS)
    expect(Number(many?.others) - Number(few?.others)).toBeLessThanOrEqual(BLOCKED_MS)
    // Enabling did let them go, and disabling held the others again.
    const delivered = await count("event_type = 'many' AND status = 'delivered'")
    expect(delivered).toBeGreaterThan(0)
    expect(await count("event_type = 'many' AND status = 'pending'")).toBe(MANY + 1 - delivered)
  },
)
