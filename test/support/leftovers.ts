import { afterAll } from 'vitest'
import { dropDatabases } from './engine.ts'
import { killProcesses } from './process.ts'

// Run for each test file, while modules are loaded once for many.
afterAll(async () => {
  killProcesses()
  await dropDatabases()
})
