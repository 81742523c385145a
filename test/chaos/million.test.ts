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
/** What a million more may add. The short form runs beside other tests: there it is writes that are counted. */
const BLOCKED_MS = form(Number.POSITIVE_INFINITY, 50)
/** So many are on their way to one endpoint at once at the most: those that disabling gives back. */
const PLACES = 64

/** As many copies of the one delivery that waits for an endpoint, each due. */
const copies = (type: string, series: string, columns: readonly string[]): string => {
  const values = columns.map((name) => (name === 'id' ? "id || '_' || n" : name))
  return `INSERT INTO deliveries (${columns.join(', ')}) SELECT ${values.join(', ')} FROM deliveries, ${series} WHERE event_type = '${type}'`
}

/** Notes each delivery that is written. */
const WATCH_ON_SQLITE = `CREATE TABLE written (id TEXT PRIMARY KEY);
  CREATE TRIGGER watch AFTER UPDATE ON deliveries BEGIN INSERT OR IGNORE INTO written VALUES (new.id); END`
const WATCH_ON_POSTGRES = `CREATE TABLE written (id text PRIMARY KEY);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO written VALUES (new.id) ON CONFLICT DO NOTHING; RETURN NULL; END';
  CREATE TRIGGER watch AFTER UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION note()`

async function execute({ server, place }: Cluster, onSqlite: string, onPostgres: string): Promise<void> {
  if (server === null) {
    const db = new Database(place.slice('file:'.length))
    db.exec(onSqlite)
    db.close()
    return
  }
  const client = new Client(place)
  await client.connect()
  await client.query(onPostgres)
  await client.end()
}

async function multiply(cluster: Cluster, type: string, count: number): Promise<void> {
  const [row] = await cluster.tables.rows<object>('SELECT * FROM deliveries')
  const columns = Object.keys(row as object)
  const series = `(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ${count}) SELECT n FROM s) s`
  const statement = copies(type, series, columns)
  await execute(cluster, statement, statement)
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
    await execute(cluster, WATCH_ON_SQLITE, WATCH_ON_POSTGRES)
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
    const sent = await count("event_type = 'many' AND attempts > 0")
    const written = await count("event_type = 'many' AND id IN (SELECT id FROM written)")
    tell(`${MANY} waiting, ${engine}`, { few, many, sent, written })
    expect(Number(many?.change) - Number(few?.change)).toBeLessThanOrEqual(BLOCKED_MS)
    expect(Number(many?.others) - Number(few?.others)).toBeLessThanOrEqual(BLOCKED_MS)
    // Those that were not sent were left alone.
    expect(written).toBeLessThanOrEqual(sent + 2 * ROUNDS * PLACES)
    // Enabling did let them go, and disabling held the others again.
    const delivered = await count("event_type = 'many' AND status = 'delivered'")
    expect(delivered).toBeGreaterThan(0)
    expect(await count("event_type = 'many' AND status = 'pending'")).toBe(MANY + 1 - delivered)
  },
)
