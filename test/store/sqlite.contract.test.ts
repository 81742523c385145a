import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe } from 'vitest'
import { MEMORY } from '../../src/store/sqlite/open.ts'
import { openSqliteStore } from '../../src/store/sqlite/store.ts'
import type { Store } from '../../src/store/store.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { deliveriesContract } from './deliveries.contract.ts'
import { expiryContract } from './expiry.contract.ts'
import { jobsContract } from './jobs.contract.ts'
import { replayContract } from './replay.contract.ts'
import { tenantsContract } from './tenants.contract.ts'

describe.each(['memory', 'file'])('the store on SQLite (%s)', (kind) => {
  let store: Store
  let clock: FakeClock
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'posthorn-store-'))
    clock = fakeClock()
    store = openSqliteStore(kind === 'memory' ? MEMORY : join(folder, 'posthorn.db'))
  })
  afterEach(async () => {
    await store[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const subject = () => ({ store, clock })
  describe('jobs', () => jobsContract(subject))
  describe('deliveries', () => deliveriesContract(subject))
  describe('replay', () => replayContract(subject))
  describe('expiry', () => expiryContract(subject))
  describe('tenants, keys and files', () => tenantsContract(subject))
})
