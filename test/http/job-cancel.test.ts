import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { problemIn } from '../support/problem.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, startTestService, type TestService } from '../support/service.ts'

/** Tells the test's server what happens to it, and ends only when that answers. */
const STUBBORN = `
import { defineHandler, z } from 'posthorn/handlers'
export const stubborn = defineHandler({
  type: 'stubborn',
  input: z.object({ url: z.string() }),
  run: async ({ input, signal }) => {
    signal.addEventListener('abort', () => void fetch(input.url + '/aborted', { method: 'POST' }))
    await fetch(input.url + '/held', { method: 'POST' })
    return { late: true }
  },
})
`

let module: HandlerModule
let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  module = await handlerModule(STUBBORN)
  posthorn = await startTestService({ POSTHORN_HANDLERS: module.path })
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
  await module[Symbol.asyncDispose]()
})

const cancel = (id: string) => posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
const hitsAt = (path: string) => receiver.hits.filter((hit) => hit.path === path)

test('a pending job that is cancelled never runs, and calls back', async () => {
  const json = {
    type: 'http.request',
    payload: { url: `${receiver.url}/never` },
    callback_url: `${receiver.url}/pending`,
  }
  const id = await posthorn.submit({ ...json, run_at: new Date(Date.now() + 1000).toISOString() })
  const response = await cancel(id)
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({
    id,
    status: 'cancelled',
    attempt: 0,
    started_at: null,
    finished_at: expect.any(String),
    callback: { status: expect.any(String) },
  })
  const [hit] = await receiver.waitFor(1, ({ path }) => path === '/pending')
  expect(JSON.parse(hit?.body ?? '')).toMatchObject({ type: 'job.cancelled', data: { id, status: 'cancelled' } })
  // A job that is due later than it would have been runs, so its time has passed.
  const after = { ...json, payload: { url: `${receiver.url}/after` }, callback_url: `${receiver.url}/done` }
  await posthorn.submit({ ...after, run_at: new Date(Date.now() + 1200).toISOString() })
  await receiver.waitFor(1, ({ path }) => path === '/after')
  expect(hitsAt('/never')).toEqual([])
  expect(await posthorn.job(id)).toMatchObject({ status: 'cancelled', attempt: 0 })
})

test('a running job is told within a second, and what it returns later is dropped', async () => {
  const holding = Promise.withResolvers<() => void>()
  receiver.answer = (hit, response) => {
    if (hit.path === '/held') holding.resolve(() => response.end('go on'))
    else response.end('ok')
  }
  const callback = { callback_url: `${receiver.url}/running` }
  const id = await posthorn.submit({ type: 'stubborn', payload: { url: receiver.url }, ...callback })
  const release = await holding.promise
  expect(await posthorn.job(id)).toMatchObject({ status: 'processing', attempt: 1 })

  const askedAt = Date.now()
  expect(await (await cancel(id)).json()).toMatchObject({ status: 'cancelled', error: null })
  const [aborted] = await receiver.waitFor(1, ({ path }) => path === '/aborted')
  expect((aborted?.at ?? 0) - askedAt).toBeLessThan(1000)
  await receiver.waitFor(1, ({ path }) => path === '/running')

  release()
  // One more job goes all the way after the first has returned.
  const next = await posthorn.submit({ type: 'echo', payload: { delay_ms: 50 }, callback_url: `${receiver.url}/next` })
  await receiver.waitFor(1, ({ path }) => path === '/next')
  expect(await posthorn.job(next)).toMatchObject({ status: 'completed' })
  const job = await posthorn.job(id)
  expect(job).toMatchObject({ status: 'cancelled' })
  expect(job).not.toHaveProperty('result')
  expect(hitsAt('/running')).toHaveLength(1)
  expect(hitsAt('/held')).toHaveLength(1)
})

test('a cancelled run is not run again', async () => {
  const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 60_000 }, max_attempts: 3 })
  await posthorn.job(id, ({ status }) => status === 'processing')
  expect((await cancel(id)).status).toBe(200)
  // Longer than the wait before a second run.
  const later = await posthorn.submit({ type: 'echo', payload: { delay_ms: 1500 } })
  await posthorn.job(later, finished)
  expect(await posthorn.job(id)).toMatchObject({ status: 'cancelled', attempt: 1 })
})

test('a finished job cannot be cancelled: 409', async () => {
  const done = await posthorn.submit({ type: 'echo', payload: {} })
  await posthorn.job(done, finished)
  await problemIn(await cancel(done), 409, 'job-finished')
  const cancelled = await posthorn.submit({ type: 'echo', payload: {}, run_at: '2099-01-01T00:00:00Z' })
  expect((await cancel(cancelled)).status).toBe(200)
  await problemIn(await cancel(cancelled), 409, 'job-finished')
  expect(await posthorn.job(done)).toMatchObject({ status: 'completed' })
})

test('of many who cancel at once, one does', async () => {
  const id = await posthorn.submit({
    type: 'echo',
    payload: { delay_ms: 60_000 },
    callback_url: `${receiver.url}/once`,
  })
  const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await cancel(id)).status))
  expect(statuses.sort()).toEqual([200, ...Array.from({ length: 9 }, () => 409)])
  await posthorn.job(id, ({ callback }) => (callback as { status: string }).status === 'delivered')
  expect(hitsAt('/once')).toHaveLength(1)
})
