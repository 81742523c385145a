import { describe, expect, test } from 'vitest'
import { REPLAY_ACTIONS, type ReplayAction, startingTat } from '../../src/core/bulk-replay.ts'
import type { BulkReplay, DeadLetter, DeadLetterFilter, ReplayStep } from '../../src/store/store.ts'
import { addDeadLetters, addEndpoint } from '../support/dead-letters.ts'
import { OTHER, TENANT } from './fixtures.ts'
import type { Subject } from './jobs.contract.ts'

const all = { limit: 200, before: null }
const LIMIT = 500

/** What every store must do with bulk replays. */
export function bulkReplayContract(subject: Subject): void {
  const dead = async (count: number, url = 'http://a.example/', tenantId = TENANT): Promise<string> => {
    const { store, clock } = subject()
    const endpointId = await addEndpoint(store, clock, tenantId, url)
    await addDeadLetters(store, clock, tenantId, count)
    clock.advance(1)
    return endpointId
  }
  const auditOf = (action: string, target: string) => {
    const { clock } = subject()
    return { id: clock.newId('aud'), at: clock.now(), actor: 'key_1', action, target, requestId: 'req_1' }
  }
  const newReplay = (changes: Partial<BulkReplay> = {}, filter: DeadLetterFilter = {}): BulkReplay => {
    const { clock } = subject()
    const now = clock.now()
    const counts = { total: 0, done: 0, failed: 0, enable: 0 }
    return {
      id: clock.newId('rpl'),
      status: 'running',
      filter: JSON.stringify(filter),
      order: 'oldest',
      ratePerS: null,
      rateTat: null,
      position: null,
      diedBefore: now,
      ...counts,
      actor: 'key_1',
      requestId: 'req_1',
      createdAt: now,
      finishedAt: null,
      ...changes,
    }
  }
  const start = async (changes: Partial<BulkReplay> = {}, filter: DeadLetterFilter = {}): Promise<string> => {
    const replay = newReplay(changes, filter)
    await subject().store.replays.add(replay, null, auditOf('replay.create', replay.id))
    return replay.id
  }
  const step = (id: string, limit = LIMIT): Promise<ReplayStep | null> => {
    const { store, clock } = subject()
    return store.replays.step({ id, now: clock.now(), limit, expiresAt: clock.now() + 60_000 })
  }
  const act = (id: string, action: ReplayAction) => {
    const { store, clock } = subject()
    const change = { id, ...REPLAY_ACTIONS[action], now: clock.now(), rateTat: null }
    return store.replays.change({ ...change, audit: auditOf(`replay.${action}`, id) })
  }
  const letters = (filter: DeadLetterFilter = {}): Promise<DeadLetter[]> =>
    subject().store.deliveries.deadLetters(filter, all)
  const left = async (filter: DeadLetterFilter = {}) => (await letters({ ...filter, replayed: false })).length

  describe('a step', () => {
    test('sends the oldest letters again, marks them, and says whose lanes are due', async () => {
      const { store, clock } = subject()
      const lane = await dead(3)
      const before = (await letters()).reverse()
      const id = await start({ total: 3 })
      const taken = await step(id, 2)
      expect(taken).toMatchObject({ lanes: [lane], more: true, replay: { status: 'running', done: 2, failed: 0 } })
      expect(taken?.replay.position).toBe(before[1]?.id)
      const after = (await letters()).reverse()
      expect(after.map(({ replayedAt, replayedBy }) => [replayedAt, replayedBy])).toEqual([
        [clock.now(), 'key_1'],
        [clock.now(), 'key_1'],
        [null, null],
      ])
      const delivery = await store.deliveries.get(TENANT, before[0]?.deliveryId ?? '')
      expect(delivery).toMatchObject({ status: 'pending', attempts: 0, replays: 1, finishedAt: null, held: false })
      expect(delivery?.expiresAt).toBe(clock.now() + 60_000)
      expect(await store.replays.get(id)).toEqual(taken?.replay)
    })

    test('takes each letter once, and the replay ends when there are none left', async () => {
      const { store, clock } = subject()
      await dead(5)
      const id = await start()
      const counts: (number | undefined)[] = []
      for (let i = 0; i < 3; i++) counts.push((await step(id, 2))?.replay.done)
      expect(counts).toEqual([2, 4, 5])
      expect(await store.replays.get(id)).toMatchObject({ status: 'done', done: 5, failed: 0, finishedAt: clock.now() })
      expect(await step(id)).toBeNull()
      expect(await store.replays.running()).toEqual([])
      for (const { deliveryId } of await letters()) {
        expect(await store.deliveries.get(null, deliveryId)).toMatchObject({ replays: 1 })
      }
    })

    test('of two at once, each letter is taken by one', async () => {
      await dead(30)
      const id = await start()
      while ((await subject().store.replays.running()).length > 0) {
        await Promise.all(Array.from({ length: 4 }, () => step(id, 3)))
      }
      expect(await subject().store.replays.get(id)).toMatchObject({ status: 'done', done: 30, failed: 0 })
    })

    test('begins with the newest when asked to', async () => {
      await dead(4)
      const id = await start({ order: 'newest' })
      await step(id, 3)
      expect((await letters()).map(({ replayedAt }) => replayedAt === null)).toEqual([false, false, false, true])
      expect(await step(id, 3)).toMatchObject({ replay: { status: 'done', done: 4 } })
    })

    test('leaves alone what died after the replay began', async () => {
      const { clock } = subject()
      await dead(2)
      const id = await start()
      clock.advance(1)
      await addDeadLetters(subject().store, clock, TENANT, 3)
      expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 2 } })
      expect(await left()).toBe(3)
    })

    test.each<[string, (lane: string) => DeadLetterFilter, number]>([
      ['a tenant', () => ({ tenantId: OTHER }), 3],
      ['an endpoint', (endpointId) => ({ endpointId }), 2],
      ['a reason', () => ({ reason: 'gone' }), 0],
      ['a reason that is theirs', () => ({ reason: 'expired' }), 5],
      ['a fingerprint', () => ({ fingerprint: 'http_500' }), 0],
      ['a time before', () => ({ before: Date.UTC(2026, 0, 1) + 1 }), 2],
      ['a time after', () => ({ after: Date.UTC(2026, 0, 1) + 1 }), 3],
    ])('takes only those of %s', async (_, filterOf, count) => {
      const lane = await dead(2)
      await dead(3, 'http://b.example/', OTHER)
      const filter = filterOf(lane)
      const { store } = subject()
      expect((await store.replays.preview({ ...filter, replayed: false }, 'oldest', 10)).count).toBe(count)
      const id = await start({}, filter)
      expect(await step(id)).toMatchObject({ replay: { status: 'done', done: count } })
      expect(await left()).toBe(5 - count)
    })

    test('passes over letters that were replayed one by one meanwhile', async () => {
      const { store, clock } = subject()
      await dead(3)
      const id = await start({ total: 3 })
      const [newest] = await letters()
      const asked = { deliveryId: newest?.deliveryId ?? '', tenantId: null, by: 'key_2', enable: false, audit: null }
      await store.deliveries.replay({ ...asked, now: clock.now(), expiresAt: clock.now() + 1 })
      expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 2, failed: 0 } })
      expect((await letters())[0]).toMatchObject({ replayedBy: 'key_2' })
    })

    test('looks at a bounded number of rows, however few are its own', async () => {
      await dead(1)
      const { store, clock } = subject()
      await addEndpoint(store, clock, OTHER, 'http://b.example/')
      for (let i = 0; i < 20; i++) await addEndpoint(store, clock, OTHER, `http://b${i}.example/`)
      await addDeadLetters(store, clock, OTHER, 250)
      clock.advance(1)
      const id = await start({}, { tenantId: TENANT })
      expect(await step(id)).toMatchObject({ more: true, replay: { status: 'running', done: 1 } })
      expect(await step(id)).toMatchObject({ more: false, replay: { status: 'done', done: 1 } })
    })
  })

  describe('what cannot be replayed counts as failed, and stays a dead letter:', () => {
    test('its endpoint was deleted', async () => {
      const { store, clock } = subject()
      const lane = await dead(2)
      await dead(1, 'http://b.example/', OTHER)
      await store.endpoints.remove(TENANT, lane, clock.now())
      const id = await start({ enable: 1 })
      expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 1, failed: 2 } })
      expect(await left()).toBe(2)
    })

    test('its bytes are gone', async () => {
      const { store, clock } = subject()
      const lane = await addEndpoint(store, clock, TENANT, 'http://a.example/')
      await addDeadLetters(store, clock, TENANT, 1, '')
      await addDeadLetters(store, clock, TENANT, 1)
      clock.advance(1)
      const id = await start()
      expect(await step(id)).toMatchObject({ lanes: [lane], replay: { status: 'done', done: 1, failed: 1 } })
    })

    test('its endpoint is disabled', async () => {
      const { store, clock } = subject()
      const lane = await dead(2)
      await store.endpoints.update(TENANT, lane, (endpoint) => ({ ...endpoint, disabledAt: clock.now() }))
      const id = await start()
      expect(await step(id)).toMatchObject({ lanes: [], replay: { status: 'done', done: 0, failed: 2 } })
      expect(await left()).toBe(2)
    })

    test('its endpoint was disabled again while the replay ran, though it may enable', async () => {
      const { store, clock } = subject()
      const lane = await dead(2)
      const id = await start({ enable: 1 })
      await step(id, 1)
      clock.advance(1)
      await store.endpoints.update(TENANT, lane, (endpoint) => ({ ...endpoint, disabledAt: clock.now() }))
      expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 1, failed: 1 } })
    })
  })

  test('a disabled endpoint is enabled when the replay may: as if its owner had done it', async () => {
    const { store, clock } = subject()
    const lane = await dead(2)
    const disabled = { disabledAt: clock.now(), disabledReason: 'gone', failures: 12, failingSince: 1 } as const
    await store.endpoints.update(TENANT, lane, (endpoint) => ({ ...endpoint, ...disabled }))
    const id = await start({ enable: 1 })
    expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 2 } })
    const fresh = { disabledAt: null, disabledReason: null, enabledAt: clock.now(), failures: 0, failingSince: null }
    expect(await store.endpoints.get(TENANT, lane)).toMatchObject(fresh)
    expect(await store.deliveries.dueLanes(clock.now())).toEqual([lane])
  })

  test('the rate lets so many go, and remembers it', async () => {
    const { clock } = subject()
    await dead(30)
    const id = await start({ ratePerS: 100, rateTat: startingTat(clock.now()) })
    expect(await step(id)).toMatchObject({ more: false, replay: { done: 1 } })
    expect(await step(id)).toMatchObject({ lanes: [], more: false, replay: { done: 1 } })
    clock.advance(100)
    expect(await step(id)).toMatchObject({ more: false, replay: { done: 11 } })
    clock.advance(10_000)
    expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 30 } })
  })

  describe('its state', () => {
    test('paused it does nothing, resumed it goes on where it was', async () => {
      const { store } = subject()
      await dead(3)
      const id = await start()
      await step(id, 1)
      expect(await act(id, 'pause')).toMatchObject({ kind: 'changed', replay: { status: 'paused', finishedAt: null } })
      expect(await step(id)).toBeNull()
      expect(await store.replays.running()).toEqual([])
      expect(await act(id, 'resume')).toMatchObject({ kind: 'changed', replay: { status: 'running' } })
      expect(await step(id)).toMatchObject({ replay: { status: 'done', done: 3 } })
    })

    test('cancelled it ends, and the rest remain dead letters', async () => {
      const { store, clock } = subject()
      await dead(3)
      const id = await start()
      await step(id, 1)
      expect(await act(id, 'cancel')).toMatchObject({ replay: { status: 'cancelled', finishedAt: clock.now() } })
      expect(await step(id)).toBeNull()
      expect(await left()).toBe(2)
      expect(await store.replays.get(id)).toMatchObject({ status: 'cancelled', done: 1 })
    })

    test('what does not fit it changes nothing', async () => {
      const id = await start()
      expect(await act(id, 'resume')).toMatchObject({ kind: 'unfit', replay: { status: 'running' } })
      await step(id)
      for (const action of ['pause', 'resume', 'cancel'] as const) {
        expect(await act(id, action)).toMatchObject({ kind: 'unfit', replay: { status: 'done' } })
      }
      expect(await act('rpl_none', 'pause')).toEqual({ kind: 'not_found' })
    })
  })

  test('a key stands for the replay it made', async () => {
    const { store } = subject()
    const key = { key: 'k', fingerprint: 'f' }
    const add = (using = key) => {
      const replay = newReplay()
      return store.replays.add(replay, using, auditOf('replay.create', replay.id))
    }
    const all = await Promise.all([add(), add(), add()])
    expect(all.filter(({ kind }) => kind === 'created')).toHaveLength(1)
    expect(new Set(all.map((one) => ('replay' in one ? one.replay.id : one.kind))).size).toBe(1)
    expect(await add({ ...key, fingerprint: 'g' })).toEqual({ kind: 'key_reused' })
    expect(await store.replays.list(undefined, { limit: 10, before: null })).toHaveLength(1)
  })

  test('they are listed with the newest first, and those that ended long ago are removed with their keys', async () => {
    const { store, clock } = subject()
    const key = { key: 'k', fingerprint: 'f' }
    const old = newReplay()
    await store.replays.add(old, key, auditOf('replay.create', old.id))
    await step(old.id)
    const ids = [old.id, await start(), await start()].reverse()
    const listed = await store.replays.list(undefined, { limit: 2, before: null })
    expect(listed.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    const next = await store.replays.list(undefined, { limit: 2, before: listed.at(-1)?.id ?? '' })
    expect(next.map(({ id }) => id)).toEqual(ids.slice(2))
    expect((await store.replays.list('done', { limit: 9, before: null })).map(({ id }) => id)).toEqual([old.id])
    clock.advance(1)
    expect(await store.replays.purge(clock.now(), 10)).toBe(1)
    expect(await store.replays.get(old.id)).toBeNull()
    const again = newReplay()
    expect(await store.replays.add(again, key, auditOf('replay.create', again.id))).toMatchObject({ kind: 'created' })
  })

  test('alike letters are counted together, the largest group first', async () => {
    const { store, clock } = subject()
    const lane = await dead(2)
    const other = await dead(3, 'http://b.example/', OTHER)
    const groups = await store.deliveries.deadLetterGroups({ replayed: false }, 10)
    const [newest] = await letters({ tenantId: OTHER })
    expect(groups).toEqual([
      {
        fingerprint: 'expired',
        endpointId: other,
        tenantId: OTHER,
        reason: 'expired',
        count: 3,
        firstDiedAt: clock.now() - 1,
        lastDiedAt: clock.now() - 1,
        deadLetterId: newest?.id,
        deliveryId: newest?.deliveryId,
        lastStatus: null,
        errorClass: 'expired',
      },
      expect.objectContaining({ endpointId: lane, tenantId: TENANT, count: 2, lastDiedAt: clock.now() - 2 }),
    ])
    expect(await store.deliveries.deadLetterGroups({ replayed: false }, 1)).toHaveLength(1)
    await step(await start({}, { tenantId: OTHER }))
    expect(await store.deliveries.deadLetterGroups({ replayed: false }, 10)).toHaveLength(1)
    expect(await store.deliveries.deadLetterGroups({}, 10)).toHaveLength(2)
    expect(await store.deliveries.deadLetterGroups({ endpointId: lane }, 10)).toHaveLength(1)
  })

  test('a preview shows the first in the order of the replay', async () => {
    const { store } = subject()
    await dead(3)
    const [newest, middle, oldest] = await letters()
    const first = async (order: 'oldest' | 'newest') => (await store.replays.preview({}, order, 2)).sample
    expect(await first('oldest')).toEqual([oldest, middle])
    expect(await first('newest')).toEqual([newest, middle])
    expect(await store.replays.preview({}, 'oldest', 0)).toEqual({ count: 3, sample: [] })
  })
}
