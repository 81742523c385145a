import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'

/** Engines of one database, started by the test when it has said all. Disposed of by the caller. */
export type OpenEngine = (types?: readonly string[]) => Promise<Engine>

export interface EngineFaults {
  /** What the engines under test reported. */
  failed: { task: string; error: unknown }[]
}

/** What every engine must do for one process. */
export function engineContract(open: OpenEngine, faults: EngineFaults): void {
  test('who is woken hears it, and nobody else', async () => {
    const engine = await open(['echo'])
    const lanes: string[][] = []
    const cancelled: string[][] = []
    engine.onWake('lanes', (names) => lanes.push([...names]))
    engine.onWake('cancelled', (names) => cancelled.push([...names]))
    await engine.start()
    engine.wake('lanes', ['ep_1', 'ep_2'])
    expect(lanes).toEqual([['ep_1', 'ep_2']])
    expect(cancelled).toEqual([])
  })

  test('a repeated task runs again and again, never twice at once', async () => {
    const engine = await open()
    let running = 0
    let most = 0
    let runs = 0
    const enough = Promise.withResolvers<void>()
    engine.every(5, 'counting', async () => {
      running += 1
      most = Math.max(most, running)
      await pause(10)
      running -= 1
      runs += 1
      if (runs === 3) enough.resolve()
    })
    expect(runs).toBe(0)
    await engine.start()
    await enough.promise
    expect(most).toBe(1)
  })

  test('a task that fails is reported, and runs again', async () => {
    const engine = await open()
    let runs = 0
    const enough = Promise.withResolvers<void>()
    engine.every(5, 'failing', async () => {
      runs += 1
      if (runs === 3) enough.resolve()
      throw new Error(`failure ${runs}`)
    })
    await engine.start()
    await enough.promise
    expect(faults.failed.filter(({ task }) => task === 'failing').length).toBeGreaterThanOrEqual(2)
    expect(engine.lateTasks()).toEqual([])
  })

  test('after it has been stopped nothing is repeated and nobody is woken', async () => {
    const engine = await open(['echo'])
    let runs = 0
    let woken = 0
    engine.every(5, 'counting', async () => {
      runs += 1
    })
    engine.onWake('jobs', () => {
      woken += 1
    })
    await engine.start()
    await engine[Symbol.asyncDispose]()
    const [runsThen, wokenThen] = [runs, woken]
    engine.wake('jobs', ['echo'])
    await pause(50)
    expect([runs, woken]).toEqual([runsThen, wokenThen])
  })
}
