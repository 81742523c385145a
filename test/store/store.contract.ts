import { afterEach, beforeEach, describe } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { bulkReplayContract } from './bulk-replay.contract.ts'
import { deliveriesContract } from './deliveries.contract.ts'
import { endpointsContract } from './endpoints.contract.ts'
import { eventsContract } from './events.contract.ts'
import { expiryContract } from './expiry.contract.ts'
import { WORKER } from './fixtures.ts'
import { jobsContract } from './jobs.contract.ts'
import { replayContract } from './replay.contract.ts'
import { statsContract } from './stats.contract.ts'
import { tenantsContract } from './tenants.contract.ts'
import { workersContract } from './workers.contract.ts'

/** A store of a test's own, empty. */
export interface OpenedStore extends AsyncDisposable {
  store: Store
}

/** What every store must do. Two workers are on its list. */
export function storeContract(open: (clock: FakeClock) => Promise<OpenedStore>): void {
  let opened: OpenedStore
  let clock: FakeClock

  beforeEach(async () => {
    clock = fakeClock()
    opened = await open(clock)
    await opened.store.workers.enter(WORKER, clock.now())
    await opened.store.workers.enter('wrk_b', clock.now())
  })
  afterEach(() => opened[Symbol.asyncDispose]())

  const subject = () => ({ store: opened.store, clock })
  describe('jobs', () => jobsContract(subject))
  describe('deliveries', () => deliveriesContract(subject))
  describe('replay', () => replayContract(subject))
  describe('bulk replay', () => bulkReplayContract(subject))
  describe('endpoints', () => endpointsContract(subject))
  describe('events', () => eventsContract(subject))
  describe('expiry', () => expiryContract(subject))
  describe('tenants, keys and files', () => tenantsContract(subject))
  describe('workers', () => workersContract(subject))
  describe('statistics', () => statsContract(subject))
}
