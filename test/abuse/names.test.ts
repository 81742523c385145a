import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publish, register, submit } from '../chaos/client.ts'
import { form, tell } from '../chaos/form.ts'
import type { Zone } from '../support/dns.ts'
import { LATE_MS } from '../support/late.ts'
import { until } from '../support/until.ts'
import { namespaces, RECEIVER, startWorld, type World } from './namespace.ts'

const PUBLIC = new URL(RECEIVER).hostname
const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `93.184.${220 + (n >> 7)}.${n & 127}`)
const TARPITS = 50
/** No more than fit in the two seconds before the names are given up. */
const TICKS = 100
/** Other tests run beside the short form. */
const NOISE_MS = form(300, 50)
const ATTEMPT_MS = 5000

const ZONE: Zone = {
  'good.test': [PUBLIC],
  'turncoat.test': [PUBLIC],
  'flip.test': { turns: [[PUBLIC], ['10.0.0.1']] },
  'flip-back.test': { turns: [['10.0.0.1'], [PUBLIC]] },
  'crowd.test': [PUBLIC, ...many(200)],
  'crowd-with-a-spy.test': [...many(200), '127.0.0.1'],
  'failing.test': 'SERVFAIL',
  'endless.test': 'endless',
  ...Object.fromEntries(Array.from({ length: TARPITS }, (_, n) => [`tarpit${n}.test`, 'silence'])),
}

/** ABUSE §5 B, beside the names of urls.ts. */
describe.skipIf(!namespaces)('a name', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ POSTHORN_RETRY_SCHEDULE: '300ms,300ms' }, ZONE)
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose]())

  interface Attempted {
    claim_no: number
    status: number | null
    error_class: string | null
    duration_ms: number
    remote_address: string | null
  }

  /** The attempts of one callback, when it has ended. */
  async function callBack(url: string): Promise<Attempted[]> {
    const id = await submit(world.url, { type: 'echo', payload: {}, callback_url: url })
    const found = () =>
      world.rows<{ id: string }>(
        "SELECT id FROM deliveries WHERE job_id = ? AND status IN ('delivered', 'dead')",
        id,
      )[0]?.id
    await until(`${url} has ended`, () => found() !== undefined)
    return world.rows<Attempted>('SELECT * FROM attempts WHERE delivery_id = ? ORDER BY claim_no', found())
  }
  const questions = async (name: string): Promise<string[]> =>
    (await world.asked()).filter((each) => each.endsWith(` ${name}`)).sort()

  test('is asked for once in each attempt, A and AAAA, and what it says then counts', async () => {
    expect(await callBack('http://flip.test/503/hook')).toMatchObject([
      { status: 503, remote_address: `${PUBLIC}:80` },
      { status: null, error_class: 'blocked_address', remote_address: null },
    ])
    expect(await questions('flip.test')).toEqual(['A flip.test', 'A flip.test', 'AAAA flip.test', 'AAAA flip.test'])
    expect(await callBack('http://flip-back.test/hook')).toMatchObject([{ error_class: 'blocked_address' }])
    expect(await questions('flip-back.test')).toEqual(['A flip-back.test', 'AAAA flip-back.test'])
    expect(await world.forbiddenHits()).toEqual([])
  })

  test('that was public when it was given and is private now is refused', async () => {
    const callback = { type: 'echo', payload: {}, callback_url: 'http://turncoat.test/hook' }
    expect(await callBack(callback.callback_url)).toMatchObject([{ status: 200 }])
    const run = new Date(Date.now() + 500).toISOString()
    await submit(world.url, { ...callback, run_at: run })
    await world.rename('turncoat.test', ['169.254.169.254'])
    expect(await callBack(callback.callback_url)).toMatchObject([{ error_class: 'blocked_address' }])
    await until('the scheduled one is refused, too', () => {
      return world.rows("SELECT 1 FROM deliveries WHERE url LIKE '%turncoat%' AND status = 'dead'").length === 2
    })
    expect(await world.forbiddenHits()).toEqual([])
  })

  test('with 201 addresses is called, unless one of them is private', async () => {
    expect(await callBack('http://crowd-with-a-spy.test/hook')).toMatchObject([{ error_class: 'blocked_address' }])
    expect(await world.forbiddenHits()).toEqual([])
    const [attempt, ...further] = await callBack('http://crowd.test/hook')
    expect([attempt?.status, further]).toEqual([200, []])
  })

  test.each(['failing.test', 'unknown.test', 'endless.test'])(
    'that has no address is tried by the schedule: %s',
    async (name) => {
      const attempts = await callBack(`http://${name}/hook`)
      expect(attempts.map(({ error_class: error }) => error)).toEqual(['dns', 'dns', 'dns'])
      expect(Math.max(...attempts.map(({ duration_ms: ms }) => ms))).toBeLessThan(ATTEMPT_MS + LATE_MS)
    },
  )

  test(`is found as fast as ever while ${TARPITS} others are not answered`, { timeout: 120_000 }, async () => {
    const { id } = await register(world.url, { url: 'http://good.test/hook', event_types: ['tick'] })
    const p99 = async (): Promise<number> => {
      const begin = Date.now()
      for (let n = 0; n < TICKS; n++) {
        await publish(world.url, { type: 'tick', data: n })
        await delay(10)
      }
      const arrived = () =>
        world.rows<{ ms: number }>(
          `SELECT finished_at - created_at AS ms FROM deliveries
            WHERE endpoint_id = ? AND status = 'delivered' AND created_at >= ? ORDER BY ms`,
          id,
          begin,
        )
      await until('all ticks arrived', () => arrived().length === TICKS)
      return arrived()[Math.floor(TICKS * 0.99)]?.ms ?? 0
    }
    await p99()
    const undisturbed = await p99()
    for (let n = 0; n < TARPITS; n++) {
      await register(world.url, { url: `http://tarpit${n}.test/hook`, event_types: ['tar'] })
    }
    for (let n = 0; n < 4; n++) await publish(world.url, { type: 'tar', data: n })
    const asked = async () => (await world.asked()).filter((each) => each.includes('tarpit')).length
    await until('all names are waited for', async () => (await asked()) >= 2 * 4 * TARPITS)
    const disturbed = await p99()
    const waiting = await asked()
    tell('tarpit names', { names: TARPITS, questions: waiting, p99Ms: [undisturbed, disturbed] })
    expect(disturbed).toBeLessThanOrEqual(1.2 * undisturbed + NOISE_MS)
  })
})
