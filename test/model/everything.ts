import { expect } from 'vitest'
import { TENANTS, WORKERS, type World } from './world.ts'

const all = { limit: 10_000, before: null }

/** Everything that the store shows is as the reference has it. */
export async function expectEverything({ store, reference, clock }: World): Promise<void> {
  const { state, jobs, deliveries } = reference
  for (const tenant of TENANTS) {
    expect(await store.jobs.list(tenant, {}, all)).toStrictEqual(jobs.list(tenant, {}, all))
  }
  for (const [id, job] of state.jobs) {
    expect(await store.jobs.get(job.tenantId, id)).toStrictEqual(job)
    expect(await store.jobs.progressSince(id, 0)).toStrictEqual(jobs.progressSince(id, 0))
    expect(await store.jobs.position(job, 100)).toBe(jobs.position(job, 100))
  }
  for (const status of [undefined, 'pending', 'held', 'delivering', 'delivered', 'dead'] as const) {
    expect(await store.deliveries.list(null, { status }, all)).toStrictEqual(deliveries.list(null, { status }, all))
  }
  expect(await store.deliveries.deadLetters({}, all)).toStrictEqual(deliveries.deadLetters({}, all))
  for (const [id, delivery] of state.deliveries) {
    expect(await store.deliveries.get(delivery.tenantId, id)).toStrictEqual(deliveries.get(null, id))
    expect(await store.deliveries.attempts(id)).toStrictEqual(deliveries.attempts(id))
  }
  for (const [id, letter] of state.letters) expect(await store.deliveries.deadLetter(id)).toStrictEqual(letter)
  expect((await store.deliveries.dueLanes(clock.now())).sort()).toEqual(deliveries.dueLanes(clock.now()).sort())
  await expectKeysAndFiles({ store, reference })
  for (const worker of WORKERS) {
    expect((await store.jobs.held(worker)).sort()).toEqual(jobs.held(worker).sort())
  }
  const beats = (await store.workers.seen()).map((worker) => [worker.id, worker.beats] as const)
  expect(new Map(beats)).toEqual(state.workers)
}

async function expectKeysAndFiles({ store, reference }: Pick<World, 'store' | 'reference'>): Promise<void> {
  for (const tenant of TENANTS) {
    for (const key of ['k1', 'k2']) {
      for (const fingerprint of ['f1', 'f2']) {
        const asked = { key, fingerprint }
        expect(await store.jobs.lookUp(tenant, asked)).toStrictEqual(reference.jobs.lookUp(tenant, asked))
      }
    }
  }
  for (const [id, file] of reference.state.files) expect(await store.files.get(file.tenantId, id)).toStrictEqual(file)
}
