import { afterEach, describe } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { type EngineFaults, engineContract } from './engine.contract.ts'

describe('the engine of a single process', () => {
  const opened = new AsyncDisposableStack()
  const faults: EngineFaults = { failed: [] }
  afterEach(() => {
    faults.failed = []
  })

  engineContract(async () => {
    return opened.use(embeddedEngine(systemClock(), (task, error) => faults.failed.push({ task, error })))
  }, faults)
})
