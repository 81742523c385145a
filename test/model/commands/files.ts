import fc from 'fast-check'
import { expect } from 'vitest'
import { isFinished } from '../../../src/core/job.ts'
import type { FileRow } from '../../../src/store/store.ts'
import { agree, expectSome, limit, oneIn, pick, step, tenant, type WeightedStep, type World, which } from '../world.ts'
import { key } from './submit.ts'

function newFile({ clock }: World, tenantId: string, jobId: string | null): FileRow {
  const content = { size: 3, sha256: 'x', contentType: 'text/plain' }
  return { id: clock.newId('file'), tenantId, jobId, ...content, createdAt: clock.now() }
}

export const filing: WeightedStep[] = [
  step(2, 'upload', fc.record({ tenant, key }), async (world, { tenant, key }) => {
    const file = newFile(world, tenant, null)
    await agree(
      world,
      (store) => store.files.add(file, key),
      (reference) => reference.files.add(file, key),
    )
  }),
  step(2, 'save a file of a job', which, async (world, number) => {
    const jobs = [...world.reference.state.jobs.values()].filter(({ status }) => !isFinished(status))
    const job = pick(jobs, number)
    if (job === undefined) return
    const file = newFile(world, job.tenantId, job.id)
    await agree(
      world,
      (store) => store.files.add(file, null),
      (reference) => reference.files.add(file, null),
    )
  }),
  step(1, 'unknown', fc.array(which, { maxLength: 3 }), async (world, numbers) => {
    const ids = ['file_none', ...numbers.flatMap((number) => pick(world.reference.state.files.keys(), number) ?? [])]
    await agree(
      world,
      (store) => store.files.unknown(ids),
      (reference) => reference.files.unknown(ids),
    )
  }),
  step(1, 'get a file', fc.record({ file: which, foreign: oneIn(4), tenant }), async (world, given) => {
    const file = pick(world.reference.state.files.values(), given.file)
    const owner = given.foreign ? given.tenant : (file?.tenantId ?? given.tenant)
    await agree(
      world,
      (store) => store.files.get(owner, file?.id ?? 'file_none'),
      (reference) => reference.files.get(owner, file?.id ?? 'file_none'),
    )
  }),
  step(2, 'removeOrphans', fc.record({ limit, agoMs: fc.constantFrom(0, 1000) }), async (world, { limit, agoMs }) => {
    const { store, reference, clock } = world
    const before = clock.now() - agoMs
    const orphans = reference.files.orphans(before)
    const removed = await store.files.removeOrphans(before, limit)
    const rows = removed.map((id) => reference.state.files.get(id) as FileRow)
    expectSome(rows, orphans, limit)
    expect(await store.files.unknown(orphans.map(({ id }) => id))).toHaveLength(removed.length)
    reference.files.removeThese(removed)
  }),
]
