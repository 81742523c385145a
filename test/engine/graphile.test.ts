import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { graphileEngine } from '../../src/engine/graphile.ts'
import { connect, type Database } from '../../src/store/postgres/database.ts'
import { openPostgresStore } from '../../src/store/postgres/store.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { type EngineFaults, engineContract } from './engine.contract.ts'

describe('the engine on PostgreSQL', () => {
  const faults: EngineFaults = { failed: [] }
  let database: FreshDatabase
  let admin: Database
  let stack: AsyncDisposableStack

  beforeAll(async () => {
    database = await freshDatabase()
    admin = connect(database.url, 1)
  })
  afterAll(async () => {
    await admin.close()
    await database[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    faults.failed = []
    stack = new AsyncDisposableStack()
  })
  afterEach(() => stack.disposeAsync())

  /** An engine of a process of its own, as far as the database can tell. */
  const open = async (types: readonly string[] = []): Promise<Engine> => {
    const clock = systemClock()
    const store = stack.use(
      await openPostgresStore({ url: database.url, poolSize: 4, clock, onFault: (error) => report('session', error) }),
    )
    const { db, session } = store
    return stack.use(graphileEngine({ db, session, clock, id: clock.newId('wrk'), types, onError: report }))
  }
  const report = (task: string, error: unknown) => faults.failed.push({ task, error })
  const wakeUps = async () => {
    const text = "SELECT count(*) FROM graphile_worker.jobs WHERE task_identifier LIKE 'job:nobodys%'"
    const [row] = await admin.rows<{ count: number }>({ text, values: [] })
    return row?.count
  }

  engineContract(open, faults)

  test('lanes, cancellations and changes are heard by the other processes too, once', async () => {
    const [one, other] = [await open(), await open()]
    const heard: string[] = []
    for (const channel of ['lanes', 'cancelled', 'changed'] as const) {
      other.onWake(channel, (names) => heard.push(`${channel} ${names.join()}`))
    }
    await Promise.all([one.start(), other.start()])
    one.wake('lanes', ['ep_1'])
    one.wake('lanes', ['ep_1', 'ep_2'])
    one.wake('cancelled', ['job_1'])
    one.wake('changed', ['job_1'])
    await expect.poll(() => heard.toSorted()).toEqual(['cancelled job_1', 'changed job_1', 'lanes ep_1,ep_2'])
  })

  test('more names than one notification holds are told in several', async () => {
    const [one, other] = [await open(), await open()]
    const heard = new Set<string>()
    other.onWake('changed', (names) => {
      for (const name of names) heard.add(name)
    })
    await Promise.all([one.start(), other.start()])
    const names = Array.from({ length: 1000 }, (_, n) => `job_${String(n).padStart(32, '0')}`)
    one.wake('changed', names)
    await expect.poll(() => heard.size).toBe(1000)
  })

  test('ready jobs wake a process that performs their type, and not the others', async () => {
    const [api, worker, stranger] = [await open(), await open(['a', 'b']), await open(['c'])]
    let woken = 0
    let strange = 0
    worker.onWake('jobs', () => {
      woken += 1
    })
    stranger.onWake('jobs', () => {
      strange += 1
    })
    await Promise.all([api.start(), worker.start(), stranger.start()])
    api.wake('jobs', ['a'])
    await expect.poll(() => woken).toBe(1)
    expect(strange).toBe(0)
  })

  test('wake-ups that nobody takes do not pile up', async () => {
    const api = await open()
    await api.start()
    for (let i = 0; i < 20; i++) {
      api.wake('jobs', ['nobodys', 'nobodys-either'])
      await pause(5)
    }
    await expect.poll(wakeUps).toBe(2)
    const worker = await open(['nobodys', 'nobodys-either'])
    await worker.start()
    await expect.poll(wakeUps).toBe(0)
  })

  test('after its connections were ended it is woken again', async () => {
    const [api, worker] = [await open(), await open(['a'])]
    let woken = 0
    worker.onWake('jobs', () => {
      woken += 1
    })
    await Promise.all([api.start(), worker.start()])
    const text = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`
    await admin.rows({ text, values: [] })
    // Reconnecting rings once by itself.
    await expect.poll(() => woken, { timeout: 10_000 }).toBeGreaterThan(0)
    const then = woken
    const ring = setInterval(() => api.wake('jobs', ['a']), 100)
    await expect.poll(() => woken, { timeout: 15_000 }).toBeGreaterThan(then + 2)
    clearInterval(ring)
  })

  test('stopping leaves no wake-up locked', async () => {
    const worker = await open(['a'])
    await worker.start()
    for (let i = 0; i < 50; i++) {
      worker.wake('jobs', ['a'])
      await pause(2)
    }
    await worker[Symbol.asyncDispose]()
    const text = 'SELECT count(*) FROM graphile_worker.jobs WHERE locked_at IS NOT NULL'
    expect(await admin.rows({ text, values: [] })).toEqual([{ count: 0 }])
  })

  test('what has a minute or more between its runs is a matter of the cron', async () => {
    const [one, other] = [await open(), await open()]
    for (const engine of [one, other]) {
      engine.every(60_000, 'removing what is old', async () => {})
      engine.every(6 * 3_600_000, 'sweeping', async () => {})
    }
    await Promise.all([one.start(), other.start()])
    const text = 'SELECT identifier FROM graphile_worker._private_known_crontabs ORDER BY identifier'
    await expect
      .poll(() => admin.rows({ text, values: [] }))
      .toEqual([{ identifier: 'removing what is old' }, { identifier: 'sweeping' }])
  })
})
