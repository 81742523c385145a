import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ProblemBody, problemIn } from '../support/problem.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

interface Item {
  status: number
  replayed?: true
  job?: JobBody
  problem?: ProblemBody
}

let posthorn: TestService
/** Takes five jobs and does none. */
let full: TestService
beforeAll(async () => {
  posthorn = await startTestService()
  full = await startTestService({ POSTHORN_ROLES: 'api', POSTHORN_MAX_PENDING: '5' })
})
afterAll(async () => {
  await Promise.all([posthorn[Symbol.asyncDispose](), full[Symbol.asyncDispose]()])
})

const send = (jobs: unknown, service = posthorn, headers = {}) =>
  service.api('/v1/jobs/batch', { json: { jobs }, headers })

async function items(jobs: unknown[], service = posthorn): Promise<Item[]> {
  const response = await send(jobs, service)
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
  const { data } = (await response.json()) as { data: Item[] }
  expect(data.length).toBe(jobs.length)
  return data
}

const idsOf = (data: Item[]) => data.map(({ job }) => job?.id)
const keyed = (key: string, payload: object = {}) => ({ type: 'echo', payload, idempotency_key: key })

describe('a batch', () => {
  test('is answered in its order, each job as it would be alone', async () => {
    const data = await items(
      [0, 1, 2, 3].map((n) => ({ type: 'echo', payload: { n }, metadata: { n: String(n) }, priority: n })),
    )
    const alone = (await (await posthorn.api('/v1/jobs', { json: { type: 'echo' } })).json()) as JobBody
    for (const [n, { status, job }] of data.entries()) {
      expect([status, job?.metadata, job?.priority]).toEqual([202, { n: String(n) }, n])
      expect(Object.keys(job ?? {}).sort()).toEqual(Object.keys(alone).sort())
      expect(await posthorn.job(String(job?.id), finished)).toMatchObject({ status: 'completed', result: { n } })
    }
  })

  test('refuses what is wrong in it and nothing else', async () => {
    const wrong: [unknown, number, string, string?][] = [
      [{ type: 'no.such.type' }, 422, 'unknown-job-type', '/type'],
      [{ type: 'echo', priority: 10 }, 400, 'invalid-request', '/priority'],
      [{ type: 'echo', payload: { delay_ms: -1 } }, 400, 'invalid-request', '/payload/delay_ms'],
      [{ type: 'echo', callback_url: 'http://10.0.0.1/' }, 422, 'invalid-callback-url', '/callback_url'],
      [{}, 400, 'invalid-request', '/type'],
      [null, 400, 'invalid-request'],
      ['echo', 400, 'invalid-request'],
      [[], 400, 'invalid-request'],
      [keyed(''), 400, 'invalid-request', '/idempotency_key'],
      [keyed('two words'), 400, 'invalid-request', '/idempotency_key'],
      [{ type: 'echo', idempotency_key: 7 }, 400, 'invalid-request', '/idempotency_key'],
    ]
    const data = await items(wrong.flatMap(([item], n) => [item, { type: 'echo', payload: { n } }]))
    for (const [n, [item, status, code, field]] of wrong.entries()) {
      const [bad, good] = [data[2 * n] as Item, data[2 * n + 1] as Item]
      expect([item, bad.status, bad.problem?.status, bad.problem?.code]).toEqual([item, status, status, code])
      expect(bad.problem).toMatchObject({ name: code.toUpperCase().replaceAll('-', '_'), debug_id: expect.any(String) })
      if (field !== undefined) expect(bad.problem?.details.map((detail) => detail.field)).toContain(field)
      expect(await posthorn.job(String(good.job?.id), finished)).toMatchObject({ result: { n } })
    }
  })

  test('of 1,000 jobs is taken', async () => {
    const data = await items(Array.from({ length: 1000 }, (_, n) => ({ type: 'echo', payload: { n } })))
    expect(new Set(idsOf(data)).size).toBe(1000)
    expect(await posthorn.job(String(data[999]?.job?.id), finished)).toMatchObject({ result: { n: 999 } })
  })

  test.each<[string, unknown]>([
    ['1,001 jobs', Array.from({ length: 1001 }, () => ({ type: 'echo' }))],
    ['none', []],
    ['something else', { type: 'echo' }],
  ])('of %s is refused as a whole with 400', async (_name, jobs) => {
    const { details } = await problemIn(await send(jobs), 400, 'invalid-request')
    expect(details.map(({ field }) => field)).toEqual(['/jobs'])
  })

  test('has up to 8 MiB', async () => {
    const jobs = (bytes: number) =>
      [0, 1, 2, 3, 4, 5, 6, 7].map((n) => keyed(`big-${n}`, { text: 'x'.repeat(bytes / 8) }))
    const under = await items(jobs(8 * 1024 * 1024 - 2048))
    expect(under.map(({ status }) => status)).toEqual(Array(8).fill(202))
    await problemIn(await send(jobs(8 * 1024 * 1024)), 413, 'payload-too-large')
  })
})

describe('the idempotency_key of an item', () => {
  test('stands for its job, in a later batch too', async () => {
    const jobs = [keyed('a-1', { n: 1 }), keyed('a-2', { n: 2 })]
    const [first, again] = [await items(jobs), await items([...jobs, { type: 'echo' }].reverse())]
    expect(first.map(({ replayed }) => replayed)).toEqual([undefined, undefined])
    expect(again.map(({ replayed }) => replayed)).toEqual([undefined, true, true])
    expect(again.slice(1).map(({ job }) => job)).toEqual(first.map(({ job }) => job).reverse())
  })

  test('is refused for another body, and the rest is taken', async () => {
    const [first] = await items([keyed('b', { n: 1 })])
    const [other, free, same] = await items([keyed('b', { n: 2 }), keyed('c'), keyed('b', { n: 1 })])
    expect([other?.status, other?.problem?.code]).toEqual([422, 'idempotency-key-reused'])
    expect([free?.status, same?.job?.id]).toEqual([202, first?.job?.id])
  })

  test('that comes twice in one batch makes one job', async () => {
    const data = await items([keyed('d', { n: 1 }), keyed('d', { n: 1 }), keyed('"d"', { n: 1 }), keyed('d', { n: 2 })])
    expect(data.map(({ status, replayed }) => [status, replayed])).toEqual([
      [202, undefined],
      [202, true],
      [422, undefined],
      [422, undefined],
    ])
    expect(data[1]?.job).toEqual(data[0]?.job)
  })

  test('is of 20 batches at once the same job', async () => {
    const jobs = ['e-1', 'e-2', 'e-3'].map((key) => keyed(key))
    const all = await Promise.all(Array.from({ length: 20 }, () => items(jobs)))
    expect(new Set(all.map((data) => idsOf(data).join())).size).toBe(1)
    expect(all.flat().filter(({ replayed }) => !replayed).length).toBe(3)
  })

  test('is free again when its item was refused', async () => {
    const [refused] = await items([{ type: 'no.such.type', idempotency_key: 'f' }])
    const [taken] = await items([keyed('f')])
    expect([refused?.status, taken?.status, taken?.replayed]).toEqual([422, 202, undefined])
  })
})

test('an Idempotency-Key of the whole batch is not silently overlooked', async () => {
  const [one, two] = [0, 1].map(() => send([{ type: 'echo' }], posthorn, { 'idempotency-key': 'whole' }))
  const [first, again] = [await (one as Promise<Response>), await (two as Promise<Response>)]
  if (first.status === 400) return
  const idOf = async (response: Response) => ((await response.json()) as { data: Item[] }).data[0]?.job?.id
  expect(await idOf(again)).toBe(await idOf(first))
})

describe('above POSTHORN_MAX_PENDING', () => {
  const alone = (headers = {}, more = {}) => full.api('/v1/jobs', { json: { type: 'echo', ...more }, headers })
  // What waits is counted once a second, so a few more may slip in.
  const patience = { timeout: 5000, interval: 50 }
  const becomes = (status: number) => expect.poll(async () => (await alone()).status, patience).toBe(status)

  async function cancelAll(): Promise<void> {
    const { data } = (await (await full.api('/v1/jobs?status=pending&limit=200')).json()) as { data: JobBody[] }
    const cancelled = data.map(({ id }) => full.api(`/v1/jobs/${id}/cancel`, { method: 'POST' }))
    for (const { status } of await Promise.all(cancelled)) expect(status).toBe(200)
  }

  test('submissions are refused with 503 and Retry-After', async () => {
    expect((await alone({ 'idempotency-key': 'first' })).status).toBe(202)
    const data = await items(
      Array.from({ length: 50 }, () => ({ type: 'echo' })),
      full,
    )
    expect(data.slice(0, 4).map(({ status }) => status)).toEqual([202, 202, 202, 202])
    expect(data.filter(({ status }) => status === 202).length).toBeLessThan(15)
    expect(data.at(-1)).toMatchObject({ status: 503, problem: { code: 'overloaded', status: 503 } })
    await becomes(503)
    const refused = await alone()
    await problemIn(refused, 503, 'overloaded')
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    const batch = await send([{ type: 'echo' }], full)
    expect(batch.headers.get('retry-after') ?? 'none').toMatch(/^[1-9]\d*$/)
  })

  test('a key still stands for what it made', async () => {
    const again = await alone({ 'idempotency-key': 'first' })
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true'])
    await problemIn(await alone({ 'idempotency-key': 'first' }, { priority: 1 }), 422, 'idempotency-key-reused')
    await problemIn(await alone({ 'idempotency-key': 'second' }), 503, 'overloaded')
  })

  test('cancelling goes on, and the room is used again, up to the limit', async () => {
    await cancelAll()
    await becomes(202)
    await becomes(503)
  })

  test('jobs that wait for their time take no room', async () => {
    await cancelAll()
    await becomes(202)
    for (let n = 0; n < 10; n++) {
      expect((await alone({}, { run_at: '2099-01-01T00:00:00Z' })).status).toBe(202)
    }
    expect((await alone()).status).toBe(202)
  })
})
