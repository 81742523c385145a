import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Receiver, startReceiver, verified } from '../support/receiver.ts'
import { finished, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'

// Hands its token on, as to a bank, and goes to rest.
const MODULE = (type: string, isolated: boolean) => `
import { defineHandler, z } from 'posthorn/handlers'
export const waits = defineHandler({
  type: '${type}',
  isolated: ${isolated},
  input: z.object({ bank: z.string(), timeoutS: z.number().optional() }),
  maxAttempts: 1,
  concurrency: 1,
  run: async ({ input, job, fetch, progress }) => {
    progress(30, 'asked the bank')
    await fetch(input.bank, { method: 'POST', body: JSON.stringify({ id: job.id, token: job.token }) })
    return job.suspend(input.timeoutS === undefined ? {} : { timeoutS: input.timeoutS })
  },
})`

let bank: Receiver
let posthorn: TestService

beforeAll(async () => {
  bank = await startReceiver()
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-suspend-'))
  await writeFile(join(folder, 'here.ts'), MODULE('test.waits', false))
  await writeFile(join(folder, 'thread.ts'), MODULE('test.waits-isolated', true))
  posthorn = await startTestService({ POSTHORN_HANDLERS: folder })
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await bank[Symbol.asyncDispose]()
})

async function suspended(type = 'test.waits', more: object = {}): Promise<{ id: string; token: string }> {
  const known = bank.hits.length
  const { timeoutS, ...job } = more as { timeoutS?: number }
  const payload = { bank: `${bank.url}/ask`, ...(timeoutS === undefined ? {} : { timeoutS }) }
  const id = await posthorn.submit({ type, payload, ...job })
  await bank.waitFor(known + 1)
  const asked = bank.hits.map(({ body }) => JSON.parse(body) as { id: string; token: string })
  return asked.find((one) => one.id === id) as { id: string; token: string }
}

const end = (how: 'complete' | 'fail', id: string, token: string, json: unknown, inQuery = false) =>
  posthorn.api(`/v1/jobs/${id}/${how}${inQuery ? `?token=${token}` : ''}`, {
    json,
    key: inQuery ? null : token,
  })

test.each(['test.waits', 'test.waits-isolated'])('%s: the token completes the job with a result', async (type) => {
  const { id, token } = await suspended(type)
  expect((await end('complete', id, token, { approved: true })).status).toBe(204)
  expect(await posthorn.job(id, finished)).toMatchObject({ status: 'completed', result: { approved: true } })
})

test('a suspended job is processing, keeps its progress, and does not hold its place', async () => {
  // The type has one place: the second could not start if the first still had it.
  const [first, second] = [await suspended(), await suspended()]
  expect(await posthorn.job(first.id)).toMatchObject({ status: 'processing', progress: 30, message: 'asked the bank' })
  for (const { id, token } of [first, second]) await end('complete', id, token, null, true)
  expect(await posthorn.job(second.id, finished)).toMatchObject({ status: 'completed', result: null })
})

test('the token can fail it, with a reason', async () => {
  const { id, token } = await suspended()
  expect((await end('fail', id, token, { code: 'refused', detail: 'No money.' })).status).toBe(204)
  expect(await posthorn.job(id, finished)).toMatchObject({
    status: 'failed',
    error: { code: 'refused', detail: 'No money.', status: 422 },
  })
})

test('the callback tells of the end from outside', async () => {
  const { id, token } = await suspended('test.waits', { callback_url: `${bank.url}/callback` })
  await end('complete', id, token, 'yes')
  const [hit] = await bank.waitFor(1, ({ path }) => path === '/callback')
  expect(hit && verified(hit, SIGNING_SECRET)).toMatchObject({ type: 'job.completed', data: { id, result: 'yes' } })
})

test('a token works once, for its job alone, and a wrong one is like an unknown job', async () => {
  const [one, other] = [await suspended(), await suspended()]
  expect((await end('complete', one.id, other.token, 1)).status).toBe(404)
  expect((await end('complete', `job_${'0'.repeat(32)}`, one.token, 1)).status).toBe(404)
  expect((await posthorn.api(`/v1/jobs/${one.id}/complete`, { method: 'POST', key: null })).status).toBe(401)
  expect((await end('complete', one.id, one.token, 1)).status).toBe(204)
  expect((await end('complete', one.id, one.token, 2)).status).toBe(409)
  expect((await end('fail', one.id, one.token, {})).status).toBe(409)
  expect(await posthorn.job(one.id)).toMatchObject({ result: 1 })
  await end('complete', other.id, other.token, 1)
})

test('who is not answered in time has failed with a timeout', async () => {
  const { id } = await suspended('test.waits', { timeoutS: 0.2 })
  expect(await posthorn.job(id, finished)).toMatchObject({ status: 'failed', error: { code: 'timeout', status: 504 } })
})

test('a suspended job can be cancelled, and its token is void then', async () => {
  const { id, token } = await suspended()
  expect((await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })).status).toBe(200)
  expect((await end('complete', id, token, 1)).status).toBe(409)
})

test('waiting survives a restart', async () => {
  const { id, token } = await suspended()
  await posthorn.service.stop()
  await using next = await startTestService({}, posthorn.folder)
  expect(await next.job(id)).toMatchObject({ status: 'processing', attempt: 1 })
  const response = await next.api(`/v1/jobs/${id}/complete`, { json: 'late', key: token })
  expect(response.status).toBe(204)
  expect(await next.job(id, finished)).toMatchObject({ status: 'completed', result: 'late' })
})
