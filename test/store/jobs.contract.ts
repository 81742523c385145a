import { expect, test } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import type { NewKey, Store } from '../../src/store/store.ts'
import type { FakeClock } from '../support/clock.ts'
import { callback, completed, newJob, OTHER, TENANT, unreserved, WORKER } from './fixtures.ts'

export type Subject = () => { store: Store; clock: FakeClock }

const key: NewKey = { key: 'k1', fingerprint: 'f1' }
const echo = new Map([['echo', 100]])

/** What every store must do with jobs. */
export function jobsContract(subject: Subject): void {
  const accept = async (changes: Parameters<typeof newJob>[1] = {}, withKey: NewKey | null = null): Promise<Job> => {
    const { store, clock } = subject()
    const accepted = await store.jobs.accept(newJob(clock, changes), withKey)
    if (!('job' in accepted)) throw new Error(accepted.kind)
    return accepted.job
  }
  const claim = (limit = 100, types: ReadonlyMap<string, number> = echo, afterTenant: string | null = null) => {
    const { store, clock } = subject()
    return store.jobs.claim({ workerId: WORKER, now: clock.now(), limit, types, afterTenant, ...unreserved })
  }
  const claimOne = async (): Promise<Job> => {
    const [job] = await claim(1)
    if (job === undefined) throw new Error('nothing was claimed')
    return job
  }

  test('an accepted job is pending, ready, and its tenant alone can read it', async () => {
    const { store } = subject()
    const job = await accept()
    expect(await store.jobs.get(TENANT, job.id)).toMatchObject({ status: 'pending', queue: 'ready', attempt: 0 })
    expect(await store.jobs.get(OTHER, job.id)).toBeNull()
  })

  test('a key stands for the job it made', async () => {
    const { store, clock } = subject()
    const first = await accept({}, key)
    const repeated = await store.jobs.accept(newJob(clock), key)
    expect(repeated).toMatchObject({ kind: 'repeated', job: { id: first.id } })
    expect(await claim()).toHaveLength(1)
  })

  test('a key with another fingerprint is refused and makes nothing', async () => {
    const { store, clock } = subject()
    await accept({}, key)
    expect(await store.jobs.accept(newJob(clock), { ...key, fingerprint: 'f2' })).toEqual({ kind: 'key_reused' })
    expect(await claim()).toHaveLength(1)
  })

  test('keys of two tenants have nothing to do with each other', async () => {
    const [first, second] = [await accept({}, key), await accept({ tenantId: OTHER }, key)]
    expect(second.id).not.toBe(first.id)
  })

  test('20 submissions with one key at once make one job', async () => {
    const { store, clock } = subject()
    const all = await Promise.all(Array.from({ length: 20 }, () => store.jobs.accept(newJob(clock), key)))
    expect(all.filter(({ kind }) => kind === 'created')).toHaveLength(1)
    expect(new Set(all.map((one) => ('job' in one ? one.job.id : one.kind))).size).toBe(1)
  })

  test('callbacks to one origin share an endpoint, within a tenant', async () => {
    const { clock } = subject()
    const to = (origin: string) => ({ origin, newEndpointId: clock.newId('ep') })
    const first = await accept({ callback: to('http://a.example') })
    const same = await accept({ callback: to('http://a.example') })
    const other = await accept({ callback: to('http://b.example') })
    const foreign = await accept({ callback: to('http://a.example'), tenantId: OTHER })
    expect(same.endpointId).toBe(first.endpointId)
    expect(new Set([first.endpointId, other.endpointId, foreign.endpointId]).size).toBe(3)
  })

  test('a claim takes a job once, counts the run and names the worker', async () => {
    await accept()
    const [first, second] = await Promise.all([claim(1), claim(1)])
    expect([...first, ...second]).toHaveLength(1)
    expect([...first, ...second][0]).toMatchObject({
      status: 'processing',
      queue: null,
      attempt: 1,
      claimNo: 1,
      workerId: WORKER,
    })
  })

  test('a job that is stored for a worker with a place is its own, as if it had claimed it', async () => {
    const { store, clock } = subject()
    const accepted = await store.jobs.accept(newJob(clock), key, WORKER)
    const { job } = accepted as Extract<typeof accepted, { job: unknown }>
    const claimed = { status: 'processing', queue: null, attempt: 1, claimNo: 1, workerId: WORKER, version: 1 }
    expect(job).toMatchObject({ ...claimed, startedAt: job.createdAt })
    expect(await store.jobs.get(TENANT, job.id)).toEqual(job)
    expect(await claim()).toEqual([])
    expect(await store.jobs.held(WORKER)).toEqual([job.id])
    expect(await store.jobs.accept(newJob(clock), key, WORKER)).toEqual({ kind: 'repeated', job })
    expect(await store.jobs.finish(job, completed(clock))).toMatchObject({
      status: 'completed',
      startedAt: job.createdAt,
    })
  })

  test('… and goes back into the queue when the worker does not know of it, or is struck off', async () => {
    const { store, clock } = subject()
    await store.workers.enter('wrk_other', clock.now())
    for (const workerId of [WORKER, 'wrk_other']) await store.jobs.accept(newJob(clock), null, workerId)
    expect(await store.jobs.releaseUnknown(WORKER, [])).toBe(1)
    await store.workers.leave('wrk_other')
    expect((await store.jobs.lost(9)).map((job) => job.workerId)).toEqual(['wrk_other'])
    expect(await claimOne()).toMatchObject({ attempt: 1, lostRuns: 0, claimNo: 2 })
  })

  test('… but not when the worker was struck off before: then it goes through the queue, as all others do', async () => {
    const { store, clock } = subject()
    const submitted = [null, WORKER, 'wrk_gone'].map((id) => store.jobs.accept(newJob(clock), null, id))
    const states = (await Promise.all(submitted)).map((one) => 'job' in one && [one.job.queue, one.job.workerId])
    expect(states).toEqual([
      ['ready', null],
      [null, WORKER],
      ['ready', null],
    ])
    expect(await store.jobs.lost(9)).toEqual([])
    expect(await claim()).toHaveLength(2)
  })

  test('… but not before its time', async () => {
    const { store, clock } = subject()
    const accepted = await store.jobs.accept(newJob(clock, { runAt: clock.now() + 1 }), null, WORKER)
    expect(accepted).toMatchObject({ job: { status: 'pending', queue: 'scheduled', workerId: null, attempt: 0 } })
  })

  test('within a tenant, jobs are taken by priority, then due time, then arrival', async () => {
    const { clock } = subject()
    const late = await accept({ priority: 9 })
    const second = await accept({ priority: 1 })
    clock.advance(1)
    const third = await accept({ priority: 1 })
    const first = await accept({ priority: 0 })
    expect((await claim()).map(({ id }) => id)).toEqual([first.id, second.id, third.id, late.id])
  })

  test('tenants take turns, however much one of them has waiting', async () => {
    for (let i = 0; i < 20; i++) await accept()
    await accept({ tenantId: OTHER, priority: 9 })
    const claimed = await claim(4)
    expect(claimed.filter(({ tenantId }) => tenantId === OTHER)).toHaveLength(1)
    expect(claimed).toHaveLength(4)
  })

  test('with one place at a time, the round goes on behind the tenant that was served last', async () => {
    for (let i = 0; i < 3; i++) {
      await accept()
      await accept({ tenantId: OTHER })
    }
    const served: string[] = []
    for (let i = 0; i < 6; i++) {
      const [job] = await claim(1, echo, served.at(-1) ?? null)
      served.push(job?.tenantId ?? 'nobody')
    }
    expect(served).toEqual([TENANT, OTHER, TENANT, OTHER, TENANT, OTHER])
  })

  test('a tenant whose jobs have no place does not hide the others', async () => {
    await accept({ type: 'full' })
    const other = await accept({ tenantId: OTHER })
    const types = new Map([
      ['full', 0],
      ['echo', 1],
    ])
    expect((await claim(1, types)).map(({ id }) => id)).toEqual([other.id])
  })

  test('a kept place goes to a tenant without runs, however many others stand before it', async () => {
    const { store, clock } = subject()
    await accept({ tenantId: OTHER })
    await accept({ tenantId: TENANT })
    const [busy, idle] = [TENANT, OTHER].sort()
    const request = { workerId: WORKER, now: clock.now(), limit: 1, types: echo, afterTenant: null, ...unreserved }
    const kept = { ...request, reserved: 1, busyTenants: new Set([String(busy)]) }
    expect((await store.jobs.claim(kept)).map(({ tenantId }) => tenantId)).toEqual([idle])
    expect(await store.jobs.claim({ ...kept, busyTenants: new Set([TENANT, OTHER]) })).toEqual([])
  })

  test('no more of a type is taken than has places, and no type that is not named', async () => {
    for (let i = 0; i < 3; i++) await accept({ type: 'rare' })
    await accept({ type: 'unknown' })
    await accept()
    const types = new Map([
      ['rare', 2],
      ['echo', 5],
    ])
    const claimed = await claim(10, types)
    expect(claimed.map(({ type }) => type).sort()).toEqual(['echo', 'rare', 'rare'])
  })

  test('a scheduled job is not taken before its time, and becomes ready then', async () => {
    const { store, clock } = subject()
    const job = await accept({ runAt: clock.now() + 60_000 })
    expect(await store.jobs.promote(clock.now(), 10)).toBe(0)
    expect(await claim()).toEqual([])
    clock.advance(60_000)
    expect(await store.jobs.promote(clock.now(), 10)).toBe(1)
    expect((await claim()).map(({ id }) => id)).toEqual([job.id])
  })

  test('a failed run is retried when its wait is over, and the next run counts', async () => {
    const { store, clock } = subject()
    await accept()
    const run = await claimOne()
    expect(await store.jobs.retry(run, clock.now() + 1000, '{"code":"x"}')).toBe(true)
    expect(await claim()).toEqual([])
    clock.advance(1000)
    await store.jobs.promote(clock.now(), 10)
    expect(await claimOne()).toMatchObject({ attempt: 2, claimNo: 2, error: '{"code":"x"}' })
  })

  test('a released run does not count; a lost one is remembered', async () => {
    const { store } = subject()
    await accept()
    await store.jobs.release(await claimOne(), false)
    const again = await claimOne()
    expect(again).toMatchObject({ attempt: 1, lostRuns: 0, claimNo: 2 })
    await store.jobs.release(again, true)
    expect(await claimOne()).toMatchObject({ attempt: 1, lostRuns: 1, claimNo: 3 })
  })

  test('a run that was taken over changes nothing any more', async () => {
    const { store, clock } = subject()
    const { id } = await accept()
    const stale = await claimOne()
    await store.jobs.release(stale, true)
    const current = await claimOne()
    expect(await store.jobs.finish(stale, completed(clock))).toBeNull()
    expect(await store.jobs.retry(stale, clock.now(), '{}')).toBe(false)
    expect(await store.jobs.release(stale, true)).toBe(false)
    expect(await store.jobs.progress(stale, { progress: 50, message: null, at: 1, callback: null })).toBe(false)
    expect(await store.jobs.get(TENANT, id)).toEqual(current)
  })

  test('finishing stores the result, and the event with its delivery', async () => {
    const { store, clock } = subject()
    const { id } = await accept()
    const end = completed(clock)
    const finished = await store.jobs.finish(await claimOne(), end)
    expect(finished).toMatchObject({ status: 'completed', result: '{"ok":true}', progress: 100, workerId: null })
    expect(await store.jobs.get(TENANT, id)).toEqual(finished)
    const delivery = await store.deliveries.get(TENANT, finished?.callbackDeliveryId ?? '')
    expect(delivery).toMatchObject({ status: 'pending', jobId: id, eventId: end.callback?.eventId, attempts: 0 })
  })

  test('progress is kept with its message, and can be an event', async () => {
    const { store, clock } = subject()
    const { id } = await accept()
    const run = await claimOne()
    const { callback } = completed(clock)
    expect(await store.jobs.progress(run, { progress: 40, message: 'half', at: 1, callback })).toBe(true)
    expect(await store.jobs.get(TENANT, id)).toMatchObject({ progress: 40, message: 'half', callbackDeliveryId: null })
    expect(await store.deliveries.get(TENANT, callback?.deliveryId ?? '')).toMatchObject({ jobId: id })
  })

  test('an event that is announced again, because the answer was lost, is announced once', async () => {
    const { store, clock } = subject()
    const { id } = await accept()
    const run = await claimOne()
    const event = { ...callback(clock), type: 'job.started' }
    expect(await store.jobs.announce(run, event)).toBe(true)
    expect(await store.jobs.announce(run, event)).toBe(true)
    const told = await store.deliveries.list(TENANT, { jobId: id }, { limit: 9, before: null })
    expect(told.map((delivery) => delivery.id)).toEqual([event.deliveryId])
  })

  test('all progress can be read again, from any point', async () => {
    const { store } = subject()
    const { id } = await accept()
    const run = await claimOne()
    for (const progress of [10, 20, 30]) {
      await store.jobs.progress(run, { progress, message: `${progress}`, at: progress, callback: null })
    }
    expect(await store.jobs.progressSince(id, 2)).toEqual([
      { seq: 3, progress: 20, message: '20', at: 20 },
      { seq: 4, progress: 30, message: '30', at: 30 },
    ])
    expect(await store.jobs.progressSince(id, 4)).toEqual([])
  })

  test('the position of a job counts those of its type that are taken before it', async () => {
    const { store } = subject()
    const first = await accept()
    await accept({ type: 'other' })
    await accept({ tenantId: OTHER })
    const last = await accept({ priority: 9 })
    const urgent = await accept({ priority: 0 })
    expect(await store.jobs.position(urgent, 1000)).toBe(0)
    expect(await store.jobs.position(first, 1000)).toBe(1)
    expect(await store.jobs.position(last, 1000)).toBe(3)
    expect(await store.jobs.position(last, 2)).toBe(2)
    expect(await store.jobs.position({ ...last, queue: null }, 1000)).toBeNull()
    expect(await store.jobs.countReady(1000)).toBe(5)
    expect(await store.jobs.countReady(3)).toBe(3)
  })

  test('run times are kept by type', async () => {
    const { store } = subject()
    await store.jobs.saveRunTimes(new Map([['echo', 12.5]]), 1)
    await store.jobs.saveRunTimes(
      new Map([
        ['echo', 14],
        ['other', 3],
      ]),
      2,
    )
    expect(await store.jobs.runTimes()).toEqual(
      new Map([
        ['echo', 14],
        ['other', 3],
      ]),
    )
  })

  test('a job that changed after it was read is not ended by the reader', async () => {
    const { store, clock } = subject()
    const before = await accept()
    await claimOne()
    const cancelled = completed(clock, { status: 'cancelled', result: null, callback: null })
    expect(await store.jobs.finishUnclaimed(before.id, before.version, cancelled)).toBeNull()
    const now = await store.jobs.get(TENANT, before.id)
    expect(await store.jobs.finishUnclaimed(before.id, now?.version ?? -1, cancelled)).toMatchObject({
      status: 'cancelled',
    })
  })

  test('a cancelled run cannot finish', async () => {
    const { store, clock } = subject()
    await accept()
    const run = await claimOne()
    const cancelled = completed(clock, { status: 'cancelled', result: null, callback: null })
    await store.jobs.finishUnclaimed(run.id, run.version, cancelled)
    expect(await store.jobs.finish(run, completed(clock))).toBeNull()
    expect(await store.jobs.get(TENANT, run.id)).toMatchObject({ status: 'cancelled', result: null })
  })

  test('of several that end a job at once one is told that it did, and one event tells of it', async () => {
    const { store, clock } = subject()
    await accept()
    const run = await claimOne()
    const cancelled = completed(clock, { status: 'cancelled', result: null })
    const ended = await Promise.all([
      store.jobs.finish(run, completed(clock)),
      store.jobs.finishUnclaimed(run.id, run.version, cancelled),
      store.jobs.finish(run, completed(clock)),
      store.jobs.finish({ id: run.id, claimNo: run.claimNo - 1 }, completed(clock)),
    ])
    const winners = ended.filter((job) => job !== null)
    expect(winners).toEqual([await store.jobs.get(TENANT, run.id)])
    const events = await store.deliveries.list(TENANT, { jobId: run.id }, { limit: 9, before: null })
    expect(events.map(({ id }) => id)).toEqual([winners[0]?.callbackDeliveryId])
  })

  test('jobs of workers that are gone are lost, those of workers on the list are not', async () => {
    const { store } = subject()
    const { id } = await accept()
    await claimOne()
    expect(await store.jobs.lost(10)).toEqual([])
    await store.workers.leave(WORKER)
    expect((await store.jobs.lost(10)).map((job) => job.id)).toEqual([id])
  })

  test('a worker that was struck off claims nothing', async () => {
    const { store } = subject()
    await accept()
    await store.workers.leave(WORKER)
    expect(await claim()).toEqual([])
  })

  test('what a worker holds without knowing goes back, and its run does not count', async () => {
    const { store } = subject()
    await accept()
    const known = await claimOne()
    const { id } = await accept()
    await claimOne()
    expect((await store.jobs.held(WORKER)).sort()).toEqual([known.id, id].sort())
    expect(await store.jobs.releaseUnknown(WORKER, [known.id])).toBe(1)
    expect(await store.jobs.held(WORKER)).toEqual([known.id])
    expect(await claimOne()).toMatchObject({ id, attempt: 1, claimNo: 2 })
  })

  test('a run that is put back leaves no progress behind', async () => {
    const { store, clock } = subject()
    const { id } = await accept()
    const report = { progress: 40, message: 'half', at: clock.now(), callback: null }
    await store.jobs.progress(await claimOne(), report)
    await store.jobs.releaseUnknown(WORKER, [])
    expect(await store.jobs.get(TENANT, id)).toMatchObject({ status: 'pending', progress: 0, message: null })
    await store.jobs.progress(await claimOne(), report)
    await store.jobs.release({ id, claimNo: 2 }, false)
    expect(await store.jobs.get(TENANT, id)).toMatchObject({ status: 'pending', progress: 0, message: null })
  })

  test('text that no database could hold as it is does not keep a run from being recorded', async () => {
    const { store, clock } = subject()
    await accept()
    const run = await claimOne()
    const bad = 'a\0b\ud800'
    expect(await store.jobs.progress(run, { progress: 1, message: bad, at: clock.now(), callback: null })).toBe(true)
    expect(await store.jobs.finish(run, completed(clock, { message: bad }))).toMatchObject({ status: 'completed' })
  })

  test('waiting jobs past their deadline are found, running and finished ones are not', async () => {
    const { store, clock } = subject()
    const deadlineAt = clock.now() + 1000
    await accept({ deadlineAt })
    await claimOne()
    const waiting = await accept({ deadlineAt })
    const scheduled = await accept({ deadlineAt, runAt: clock.now() + 5000 })
    expect(await store.jobs.overdue(clock.now(), 10)).toEqual([])
    clock.advance(1000)
    const overdue = (await store.jobs.overdue(clock.now(), 10)).map(({ id }) => id)
    expect(overdue.sort()).toEqual([waiting.id, scheduled.id].sort())
  })

  test('lists are newest first, filtered, and paged without gap or repetition', async () => {
    const { store, clock } = subject()
    const ids: string[] = []
    for (let i = 0; i < 7; i++) {
      clock.advance(1000)
      ids.unshift((await accept({ type: i % 2 ? 'odd' : 'even' })).id)
    }
    await accept({ tenantId: OTHER })
    const first = await store.jobs.list(TENANT, {}, { limit: 4, before: null })
    const second = await store.jobs.list(TENANT, {}, { limit: 4, before: first.at(-1)?.id ?? '' })
    expect([...first, ...second].map(({ id }) => id)).toEqual(ids)
    expect(await store.jobs.list(null, {}, { limit: 50, before: null })).toHaveLength(8)
    const odd = await store.jobs.list(TENANT, { type: 'odd', status: 'pending' }, { limit: 50, before: null })
    expect(odd).toHaveLength(3)
    const window = { createdAfter: first[2]?.createdAt, createdBefore: first[0]?.createdAt }
    const inside = await store.jobs.list(TENANT, window, { limit: 50, before: null })
    expect(inside.map(({ id }) => id)).toEqual(ids.slice(1, 3))
  })

  test('a finished job is erased with its key and its files; an unfinished one is not', async () => {
    const { store, clock } = subject()
    const { id } = await accept({}, key)
    const file = { id: clock.newId('file'), tenantId: TENANT, jobId: id, size: 1, sha256: 'x', contentType: 'a/b' }
    await store.files.add({ ...file, createdAt: clock.now() }, null)
    expect(await store.jobs.erase(TENANT, id)).toBeNull()
    await store.jobs.finish(await claimOne(), completed(clock))
    expect(await store.jobs.erase(OTHER, id)).toBeNull()
    expect(await store.jobs.erase(TENANT, id)).toEqual([file.id])
    expect(await store.jobs.get(TENANT, id)).toBeNull()
    expect(await store.files.get(TENANT, file.id)).toBeNull()
    expect((await accept({}, key)).id).not.toBe(id)
  })
}
