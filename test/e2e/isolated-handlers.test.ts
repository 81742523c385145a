import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { LATE_MS } from '../support/late.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

const SOURCE = `
import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { defineHandler, PermanentError, z } from 'posthorn/handlers'

const isolated = (type, run, memoryMb) => defineHandler({
  type, run, input: z.looseObject({}), maxAttempts: 1, isolated: memoryMb ? { memoryMb } : true,
})

export default [
  isolated('where', ({ input, job, attempt }) => ({ isMainThread, input, job, attempt })),
  isolated('spin', ({ input }) => { for (;;) appendFileSync(input.path, '.') }),
  isolated('exit', () => process.exit(0)),
  isolated('crash', async () => { setTimeout(() => { throw new Error('out of the blue') }, 10); await delay(60_000) }),
  isolated('hoard', () => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)) }, 32),
  isolated('refuse', () => { throw new PermanentError('no', { code: 'refused', status: 502, data: { why: 'x' } }) }),
  isolated('talk', async ({ progress, files, log, fetch }) => {
    progress(30, 'from the thread')
    log.info({ a: 1 }, 'hello')
    const saved = await files.save(new Blob(['from a stream']).stream(), { contentType: 'text/plain' })
    const file = await files.open(saved.id)
    const blocked = await fetch('http://10.0.0.1/').then(() => null, (error) => error.message)
    return { text: await new Response(file.stream).text(), url: saved.url, blocked }
  }),
]
`

let module: HandlerModule
let posthorn: TestService
beforeAll(async () => {
  module = await handlerModule(SOURCE)
  posthorn = await startTestService({ POSTHORN_HANDLERS: module.path })
})
afterAll(async () => {
  await posthorn[Symbol.asyncDispose]()
  await module[Symbol.asyncDispose]()
})

const run = async (type: string, more: object = {}): Promise<JobBody> =>
  posthorn.job(await posthorn.submit({ type, payload: {}, ...more }), finished)

/** It is not the thread's clock that runs here: half a second of another job passes. */
async function growth(path: string): Promise<number> {
  const before = statSync(path).size
  expect(await run('echo', { payload: { delay_ms: 500 } })).toMatchObject({ status: 'completed' })
  return statSync(path).size - before
}

test('an isolated handler runs in a thread of its own, with the same input and job', async () => {
  const job = await run('where', { payload: { a: [1] }, metadata: { order: '42' } })
  expect(job).toMatchObject({
    status: 'completed',
    result: { isMainThread: false, input: { a: [1] }, job: { id: job.id, metadata: { order: '42' } }, attempt: 1 },
  })
})

test('from there it reaches files, progress, log and fetch under the same rules', async () => {
  const job = await run('talk')
  expect(job).toMatchObject({ status: 'completed', message: 'from the thread', result: { text: 'from a stream' } })
  const { url, blocked } = job.result as { url: string; blocked: string }
  expect(blocked).toMatch(/not a public address/)
  expect(await (await posthorn.api(new URL(url).pathname)).text()).toBe('from a stream')
})

test('its failures keep their code, status and data', async () => {
  const job = await run('refuse', { max_attempts: 3 })
  expect(job).toMatchObject({ status: 'failed', attempt: 1 })
  expect(job.error).toMatchObject({ code: 'refused', detail: 'no', status: 502, data: { why: 'x' } })
})

describe('a busy loop', () => {
  test('leaves the service responsive, and is really stopped by its timeout', async () => {
    const path = join(module.folder, 'timeout')
    const id = await posthorn.submit({ type: 'spin', payload: { path }, timeout_s: 5 })
    await posthorn.job(id, ({ status }) => status === 'processing')
    const begin = Date.now()
    expect((await posthorn.api('/healthz')).status).toBe(200)
    expect(Date.now() - begin).toBeLessThan(LATE_MS)
    expect(await posthorn.job(id, finished)).toMatchObject({
      status: 'failed',
      error: { code: 'timeout', status: 504 },
    })
    expect(statSync(path).size).toBeGreaterThan(0)
    expect(await growth(path)).toBe(0)
  })

  test('is really stopped when its job is cancelled', async () => {
    const path = join(module.folder, 'cancel')
    const id = await posthorn.submit({ type: 'spin', payload: { path } })
    await expect.poll(() => statSync(path, { throwIfNoEntry: false })?.size ?? 0, { timeout: 5000 }).toBeGreaterThan(0)
    expect((await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })).status).toBe(200)
    // It is told within a second.
    await run('echo', { payload: { delay_ms: 1000 } })
    expect(await growth(path)).toBe(0)
    expect(await posthorn.job(id)).toMatchObject({ status: 'cancelled' })
  })
})

describe('costs its own run only:', () => {
  test.each<[string, object]>([
    ['exit', { code: 'worker_crashed' }],
    ['crash', { code: 'worker_crashed', detail: expect.stringContaining('out of the blue') }],
    ['hoard', { code: 'out_of_memory', detail: expect.stringContaining('32 MiB') }],
  ])('%s', async (type, error) => {
    const beside = posthorn.submit({ type: 'where', payload: { beside: type } })
    expect(await run(type)).toMatchObject({ status: 'failed', attempt: 1, error })
    expect(await posthorn.job(await beside, finished)).toMatchObject({ status: 'completed' })
    expect(await run('where')).toMatchObject({ status: 'completed' })
    expect((await posthorn.api('/readyz')).status).toBe(200)
  })

  test('a crash is run again, up to max_attempts', async () => {
    expect(await run('exit', { max_attempts: 2 })).toMatchObject({ status: 'failed', attempt: 2 })
  })
})
