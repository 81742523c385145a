import { expect, test } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import type { ClaimedDelivery, NewJob } from '../../src/store/store.ts'
import { callback, completed, newJob, record, TENANT, unreserved, WORKER } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

const TTL_MS = 60_000

/** How every store must let finished work go. */
export function expiryContract(subject: Subject): void {
  const finishOne = async (changes: Partial<NewJob> = {}): Promise<Job> => {
    const { store, clock } = subject()
    await store.jobs.accept(newJob(clock, changes), { key: clock.newId('key'), fingerprint: 'f' })
    const types = new Map([['echo', 1]])
    const request = { workerId: WORKER, now: clock.now(), limit: 1, types, afterTenant: null, ...unreserved }
    const [run] = await store.jobs.claim(request)
    return (await store.jobs.finish(run as Job, completed(clock, { expiryDueAt: clock.now() + TTL_MS }))) as Job
  }
  const deliver = async (): Promise<ClaimedDelivery> => {
    const { store, clock } = subject()
    const [laneId = ''] = await store.deliveries.dueLanes(clock.now())
    const request = {
      laneId,
      workerId: WORKER,
      now: clock.now(),
      limit: 1,
      leaseMs: 25_000,
      exceptTenants: new Set<string>(),
    }
    const [delivery] = (await store.deliveries.claim(request)).deliveries
    await store.deliveries.record(record(clock, delivery as ClaimedDelivery))
    return delivery as ClaimedDelivery
  }

  test('a finished job is looked at when its time has come', async () => {
    const { store, clock } = subject()
    const { id } = await finishOne()
    expect(await store.jobs.expiryDue(clock.now(), 10)).toEqual([])
    clock.advance(TTL_MS)
    expect((await store.jobs.expiryDue(clock.now(), 10)).map((job) => job.id)).toEqual([id])
  })

  test('it can be looked at later, and its callback told once that it is near', async () => {
    const { store, clock } = subject()
    const job = await finishOne()
    const notice = callback(clock)
    await store.jobs.postponeExpiry(job, clock.now() + 2 * TTL_MS, notice)
    clock.advance(TTL_MS)
    expect(await store.jobs.expiryDue(clock.now(), 10)).toEqual([])
    expect(await store.deliveries.get(TENANT, notice.deliveryId)).toMatchObject({ jobId: job.id })
    expect(await store.jobs.get(TENANT, job.id)).toMatchObject({ expiringAt: notice.createdAt })
  })

  test('expiring gives up result, payload, progress and files, once', async () => {
    const { store, clock } = subject()
    const job = await finishOne({ payload: '{"secret":1}' })
    const content = {
      tenantId: TENANT,
      jobId: job.id,
      size: 1,
      sha256: 'x',
      contentType: 'a/b',
      createdAt: clock.now(),
    }
    const fileId = clock.newId('file')
    await store.files.add({ id: fileId, ...content }, null)
    expect(await store.jobs.expire(job, clock.now(), callback(clock))).toEqual([fileId])
    expect(await store.jobs.get(TENANT, job.id)).toMatchObject({
      status: 'completed',
      payload: '{}',
      result: null,
      expiredAt: clock.now(),
      version: job.version + 1,
    })
    expect(await store.files.get(TENANT, fileId)).toBeNull()
    expect(await store.jobs.expire(job, clock.now(), callback(clock))).toEqual([])
    expect(await store.deliveries.list(TENANT, { jobId: job.id }, { limit: 9, before: null })).toHaveLength(2)
  })

  test('after the retention the job goes, and its key is free', async () => {
    const { store, clock } = subject()
    const job = await finishOne()
    await store.jobs.expire(job, clock.now(), null)
    expect(await store.jobs.purge(clock.now() - 1, 10)).toBe(0)
    expect(await store.jobs.purge(clock.now(), 10)).toBe(1)
    expect(await store.jobs.get(TENANT, job.id)).toBeNull()
  })

  test('settled deliveries go with their attempts and events, those that wait stay', async () => {
    const { store, clock } = subject()
    await finishOne()
    const settled = await deliver()
    await finishOne()
    expect(await store.deliveries.purge(clock.now() - 1, 10)).toBe(0)
    expect(await store.deliveries.purge(clock.now(), 10)).toBe(1)
    expect(await store.deliveries.get(TENANT, settled.id)).toBeNull()
    expect(await store.deliveries.attempts(settled.id)).toEqual([])
    expect((await deliver()).body).not.toBe('')
  })

  test('an upload stays as long as a job refers to it, and goes when none does', async () => {
    const { store, clock } = subject()
    const upload = async () => {
      const id = clock.newId('file')
      const content = { tenantId: TENANT, jobId: null, size: 1, sha256: 'x', contentType: 'a/b' }
      await store.files.add({ id, ...content, createdAt: clock.now() }, null)
      return id
    }
    const [used, unused] = [await upload(), await upload()]
    const job = await finishOne({ payload: JSON.stringify({ deep: [{ file_id: used }] }) })
    expect(await store.files.removeOrphans(clock.now() - 1, 10)).toEqual([])
    expect(await store.files.removeOrphans(clock.now(), 10)).toEqual([unused])
    await store.jobs.expire(job, clock.now(), null)
    expect(await store.files.removeOrphans(clock.now(), 10)).toEqual([used])
  })
  test('what is erased while its callback ends is erased all the same', async () => {
    const { store, clock } = subject()
    for (let i = 0; i < 20; i++) {
      const { id } = await finishOne()
      const [laneId = ''] = await store.deliveries.dueLanes(clock.now())
      const request = {
        laneId,
        workerId: WORKER,
        now: clock.now(),
        limit: 1,
        leaseMs: 25_000,
        exceptTenants: new Set<string>(),
      }
      const [delivery] = (await store.deliveries.claim(request)).deliveries
      const ended = store.deliveries.record(record(clock, delivery as ClaimedDelivery))
      expect(await Promise.all([ended, store.jobs.erase(TENANT, id)])).toEqual([true, []])
      const order = { deliveryId: delivery?.id ?? '', tenantId: null, now: 1, expiresAt: 2, by: 'key_1', enable: false }
      expect(await store.deliveries.replay({ ...order, audit: null })).toEqual({ kind: 'payload_expired' })
    }
  })
}
