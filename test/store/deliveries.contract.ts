import { expect, test } from 'vitest'
import { INITIAL_CONCURRENCY } from '../../src/core/lane.ts'
import type { ClaimedDelivery } from '../../src/store/store.ts'
import {
  attempt,
  callback,
  completed,
  died,
  learned,
  newJob,
  OTHER,
  record,
  TENANT,
  unreserved,
  WORKER,
} from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

const LEASE_MS = 25_000
const all = { limit: 50, before: null }

/** What every store must do with deliveries. */
export function deliveriesContract(subject: Subject): void {
  /** `count` finished jobs with a callback to one origin; returns the endpoint. */
  const finishJobs = async (count: number, origin = 'http://receiver.example', tenantId = TENANT): Promise<string> => {
    const { store, clock } = subject()
    const lane = { origin, newEndpointId: clock.newId('ep') }
    let endpointId = ''
    for (let i = 0; i < count; i++) {
      await store.jobs.accept(newJob(clock, { tenantId, callback: lane }), null)
      const request = {
        workerId: WORKER,
        now: clock.now(),
        limit: 1,
        types: new Map([['echo', 1]]),
        afterTenant: null,
        ...unreserved,
      }
      for (const run of await store.jobs.claim(request)) {
        const job = await store.jobs.finish(run, completed(clock, { callback: callback(clock, `{"n":${i}}`) }))
        endpointId = job?.endpointId ?? ''
      }
    }
    return endpointId
  }
  const claim = (laneId: string, limit = 100, workerId = WORKER) => {
    const { store, clock } = subject()
    return store.deliveries.claim({
      laneId,
      workerId,
      now: clock.now(),
      limit,
      leaseMs: LEASE_MS,
      exceptTenants: new Set(),
    })
  }
  const claimOne = async (laneId: string): Promise<ClaimedDelivery> => {
    const [delivery] = (await claim(laneId, 1)).deliveries
    if (delivery === undefined) throw new Error('nothing was claimed')
    return delivery
  }

  test('a lane is due while it has something to send', async () => {
    const { store, clock } = subject()
    const [a, b] = [await finishJobs(2, 'http://a.example'), await finishJobs(1, 'http://b.example')]
    expect((await store.deliveries.dueLanes(clock.now())).sort()).toEqual([a, b].sort())
    await store.deliveries.record(record(clock, await claimOne(b)))
    expect(await store.deliveries.dueLanes(clock.now())).toEqual([a])
    expect(await store.deliveries.dueLanes(clock.now() - 1)).toEqual([])
  })

  test('a claim brings the event with it, in the order of due time, and numbers the attempt', async () => {
    const lane = await finishJobs(3)
    const { deliveries, more } = await claim(lane)
    expect(deliveries.map(({ body }) => body)).toEqual(['{"n":0}', '{"n":1}', '{"n":2}'])
    expect(deliveries[0]).toMatchObject({ status: 'delivering', attempts: 1, claimNo: 1, workerId: WORKER })
    expect(more).toBe(false)
  })

  test('a lane never has more in flight than its concurrency', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(INITIAL_CONCURRENCY + 2)
    const [first, second] = await Promise.all([claim(lane), claim(lane, 100, 'wrk_b')])
    expect(first.deliveries.length + second.deliveries.length).toBe(INITIAL_CONCURRENCY)
    expect(second.more).toBe(true)
    const [one] = first.deliveries
    await store.deliveries.record(record(clock, one as ClaimedDelivery))
    expect((await claim(lane)).deliveries).toHaveLength(1)
  })

  test('lanes do not share their concurrency', async () => {
    const [a, b] = [await finishJobs(9, 'http://a.example'), await finishJobs(9, 'http://b.example')]
    expect((await claim(a)).deliveries).toHaveLength(INITIAL_CONCURRENCY)
    expect((await claim(b)).deliveries).toHaveLength(INITIAL_CONCURRENCY)
  })

  test('a delivered one is never claimed again', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(1)
    const delivery = await claimOne(lane)
    expect(await store.deliveries.record(record(clock, delivery))).toBe(true)
    expect((await claim(lane)).deliveries).toEqual([])
    expect(await store.deliveries.get(TENANT, delivery.id)).toMatchObject({
      status: 'delivered',
      lastStatus: 200,
      finishedAt: clock.now(),
    })
    expect(await store.deliveries.attempts(delivery.id)).toMatchObject([{ number: 1, outcome: 'delivered' }])
  })

  test('a failed attempt waits for its next time', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(1)
    const delivery = await claimOne(lane)
    const dueAt = clock.now() + 5000
    const decision = { next: 'retry', dueAt, errorClass: 'http_status', error: 'The receiver answered 500.' } as const
    await store.deliveries.record(record(clock, delivery, { decision, attempt: attempt(delivery) }))
    expect((await claim(lane)).deliveries).toEqual([])
    clock.advance(5000)
    expect(await claimOne(lane)).toMatchObject({ attempts: 2, claimNo: 2, eventId: delivery.eventId })
  })

  test('an attempt whose claim was taken over is not recorded', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(1)
    const stale = await claimOne(lane)
    clock.advance(LEASE_MS + 1)
    expect(await store.deliveries.releaseLost(clock.now(), 10)).toBe(1)
    const current = await claimOne(lane)
    expect(await store.deliveries.record(record(clock, stale))).toBe(false)
    expect(await store.deliveries.get(TENANT, stale.id)).toMatchObject({ status: 'delivering' })
    expect(await store.deliveries.record(record(clock, current))).toBe(true)
    expect(await store.deliveries.attempts(stale.id)).toMatchObject([
      { claimNo: 1, outcome: 'lost' },
      { claimNo: 2, outcome: 'delivered' },
    ])
  })

  test('what a worker that is gone held is due again at once, and the lost attempt does not count', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(2)
    await claim(lane, 1)
    expect(await store.deliveries.releaseLost(clock.now(), 10)).toBe(0)
    await store.workers.leave(WORKER)
    expect(await store.deliveries.releaseLost(clock.now(), 10)).toBe(1)
    await store.workers.enter(WORKER, clock.now())
    const { deliveries } = await claim(lane)
    expect(deliveries.map(({ attempts }) => attempts)).toEqual([1, 1])
    expect(deliveries.map(({ claimNo }) => claimNo).sort()).toEqual([1, 2])
  })

  test('a worker that was struck off claims no delivery', async () => {
    const { store } = subject()
    const lane = await finishJobs(1)
    await store.workers.leave(WORKER)
    expect(await claim(lane)).toMatchObject({ deliveries: [], more: true })
  })

  test('what a worker holds without knowing is due again, and was never attempted', async () => {
    const { store } = subject()
    const lane = await finishJobs(2)
    const known = await claimOne(lane)
    const unknown = await claimOne(lane)
    expect(await store.deliveries.releaseUnknown(WORKER, [known.id])).toBe(1)
    expect(await claimOne(lane)).toMatchObject({ id: unknown.id, attempts: 1, claimNo: 2 })
    expect(await store.deliveries.attempts(unknown.id)).toEqual([])
  })

  test('of two ends of one delivery that come at once, the one that holds the claim counts', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(1)
    const stale = await claimOne(lane)
    await store.deliveries.releaseUnknown(WORKER, [])
    const current = await claimOne(lane)
    const recorded = await Promise.all([
      store.deliveries.record(record(clock, stale, died)),
      store.deliveries.record(record(clock, current, died)),
    ])
    expect(recorded).toEqual([false, true])
    expect(await store.deliveries.attempts(current.id)).toMatchObject([{ claimNo: 2 }])
    expect(await store.deliveries.deadLetters({}, all)).toHaveLength(1)
  })

  test('an answer with bytes that are no text is recorded all the same', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(1)
    const delivery = await claimOne(lane)
    const error = 'bad \0 header \udfff'
    const bytes = Buffer.from([0, 255, 192])
    const changes = { responseHeaders: '{"x":"\0"}', responseBody: bytes, error }
    const decision = { next: 'retry', dueAt: clock.now(), errorClass: 'protocol', error } as const
    expect(
      await store.deliveries.record(record(clock, delivery, { decision, attempt: attempt(delivery, changes) })),
    ).toBe(true)
    expect((await store.deliveries.attempts(delivery.id))[0]?.responseBody).toEqual(bytes)
  })

  test('what is given up gets a dead letter that tells the whole story', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(1)
    const delivery = await claimOne(lane)
    clock.advance(7)
    await store.deliveries.record(record(clock, delivery, died))
    const [letter] = await store.deliveries.deadLetters({}, all)
    expect(letter).toMatchObject({
      tenantId: TENANT,
      deliveryId: delivery.id,
      eventId: delivery.eventId,
      endpointId: lane,
      reason: 'exhausted',
      lastStatus: 500,
      errorClass: 'http_status',
      fingerprint: 'http_500',
      attempts: 1,
      firstAttemptAt: delivery.claimedAt,
      lastAttemptAt: delivery.claimedAt,
      diedAt: clock.now(),
      replayedAt: null,
      replayedBy: null,
    })
    expect(await store.deliveries.deadLetter(letter?.id ?? '')).toEqual(letter)
  })

  test('dead letters are found by each filter', async () => {
    const { store, clock } = subject()
    for (const [origin, tenant] of [
      ['http://a.example', TENANT],
      ['http://b.example', OTHER],
    ] as const) {
      const lane = await finishJobs(1, origin, tenant)
      await store.deliveries.record(record(clock, await claimOne(lane), died))
      clock.advance(1000)
    }
    const [newer, older] = await store.deliveries.deadLetters({}, all)
    const found = async (filter: Parameters<typeof store.deliveries.deadLetters>[0]) =>
      (await store.deliveries.deadLetters(filter, all)).map(({ id }) => id)
    expect(await found({ tenantId: OTHER })).toEqual([newer?.id])
    expect(await found({ endpointId: older?.endpointId })).toEqual([older?.id])
    expect(await found({ fingerprint: 'http_500', reason: 'exhausted' })).toEqual([newer?.id, older?.id])
    expect(await found({ reason: 'gone' })).toEqual([])
    expect(await found({ after: newer?.diedAt })).toEqual([newer?.id])
    expect(await found({ before: newer?.diedAt })).toEqual([older?.id])
    expect(await store.deliveries.deadLetters({}, { limit: 1, before: newer?.id ?? '' })).toEqual([older])
  })

  test('a lane grows when it earned it and shrinks when the receiver is overloaded', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(40)
    await store.deliveries.record(record(clock, await claimOne(lane), { lane: learned(clock, { grow: true }) }))
    const grown = await claim(lane)
    expect(grown.deliveries).toHaveLength(2 * INITIAL_CONCURRENCY)
    const halve = learned(clock, { success: false, halve: true })
    const [first] = grown.deliveries
    await store.deliveries.record(record(clock, first as ClaimedDelivery, { ...died, lane: halve }))
    expect((await claim(lane)).lane).toMatchObject({ concurrency: INITIAL_CONCURRENCY })
  })

  test('a paused lane is left alone until its time', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(2)
    const pause = learned(clock, { success: false, pauseUntil: clock.now() + 3000 })
    await store.deliveries.record(record(clock, await claimOne(lane), { ...died, lane: pause }))
    expect(await store.deliveries.dueLanes(clock.now())).toEqual([])
    expect(await claim(lane)).toMatchObject({ deliveries: [], more: true })
    clock.advance(3000)
    expect(await store.deliveries.dueLanes(clock.now())).toEqual([lane])
    expect((await claim(lane)).deliveries).toHaveLength(1)
  })

  test('lists know the tenant and each filter', async () => {
    const { store, clock } = subject()
    const lane = await finishJobs(3)
    const foreign = await finishJobs(1, 'http://b.example', OTHER)
    await store.deliveries.record(record(clock, await claimOne(lane), died))
    const mine = await store.deliveries.list(TENANT, {}, all)
    expect(mine.map(({ id }) => id)).toEqual(
      mine
        .map(({ id }) => id)
        .sort()
        .reverse(),
    )
    expect(mine).toHaveLength(3)
    expect(await store.deliveries.list(null, {}, all)).toHaveLength(4)
    const count = async (filter: Parameters<typeof store.deliveries.list>[1]) =>
      (await store.deliveries.list(TENANT, filter, all)).length
    expect(await count({ status: 'pending' })).toBe(2)
    expect(await count({ status: 'dead', reason: 'exhausted' })).toBe(1)
    expect(await count({ status: 'held' })).toBe(0)
    expect(await count({ reason: 'gone' })).toBe(0)
    expect(await count({ jobId: mine[0]?.jobId ?? '' })).toBe(1)
    expect(await count({ eventId: mine[0]?.eventId ?? '' })).toBe(1)
    expect(await count({ endpointId: foreign })).toBe(0)
    expect(await count({ eventType: 'job.completed' })).toBe(3)
    expect(await count({ after: clock.now() + 1 })).toBe(0)
    expect(await store.deliveries.get(OTHER, mine[0]?.id ?? '')).toBeNull()
  })
}
