import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService()
  receiver = await startReceiver()
  receiver.answer = ({ path }, response) => {
    const before = receiver.hits.filter((hit) => hit.path === path).length - 1
    const code = path === '/attempts' || (path === '/second' && before === 0) ? 503 : 200
    response.writeHead(code).end('at last')
  }
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

const call = (path: string, more: object = {}) =>
  posthorn.submit({ type: 'http.request', payload: { url: `${receiver.url}/${path}` }, ...more })

describe.concurrent('run_at', () => {
  test('is a time before which the job does not run', async () => {
    const runAt = Date.now() + 1500
    const id = await call('run-at', { run_at: new Date(runAt).toISOString() })
    expect(await posthorn.job(id)).toMatchObject({ status: 'pending', run_at: new Date(runAt).toISOString() })
    const [hit] = await receiver.waitFor(1, ({ path }) => path === '/run-at')
    expect(hit?.at).toBeGreaterThanOrEqual(runAt)
    expect((hit?.at ?? 0) - runAt).toBeLessThan(2500)
  })

  test('in the past means now', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {}, run_at: '2001-01-01T00:00:00Z' })
    const job = await posthorn.job(id, finished)
    expect(job).toMatchObject({ status: 'completed', run_at: job.created_at })
  })
})

describe.concurrent('deadline_s', () => {
  const missed = { status: 'failed', error: { code: 'deadline_exceeded', status: 504 } }

  test('fails a job that still waits', async () => {
    const id = await posthorn.submit({
      type: 'echo',
      payload: {},
      run_at: '2099-01-01T00:00:00Z',
      deadline_s: 1,
      callback_url: `${receiver.url}/deadline`,
    })
    const job = await posthorn.job(id, finished)
    expect(job).toMatchObject({ ...missed, attempt: 0 })
    expect(Date.parse(job.finished_at as string) - Date.parse(job.created_at as string)).toBeGreaterThanOrEqual(1000)
    const [hit] = await receiver.waitFor(1, ({ path }) => path === '/deadline')
    expect(JSON.parse(hit?.body ?? '')).toMatchObject({ type: 'job.failed', data: missed })
  })

  test('ends a job that runs, whatever its timeout and attempts', async () => {
    const limits = { deadline_s: 1, timeout_s: 60, max_attempts: 5 }
    const id = await posthorn.submit({ type: 'echo', payload: { delay_ms: 60_000 }, ...limits })
    expect(await posthorn.job(id, finished)).toMatchObject({ ...missed, attempt: 1 })
  })

  test('does nothing to a job that is faster', async () => {
    const id = await posthorn.submit({ type: 'echo', payload: {}, deadline_s: 1 })
    expect(await posthorn.job(id, finished)).toMatchObject({ status: 'completed' })
  })
})

describe.concurrent('max_attempts', () => {
  test('is how often a failing job runs, each time later than the last', async () => {
    const id = await call('attempts', { max_attempts: 3 })
    const waiting = await posthorn.job(id, (job) => job.last_error !== undefined && job.status === 'pending')
    expect(waiting).toMatchObject({ attempt: 1, error: null, last_error: { code: 'upstream_error' } })
    const job = await posthorn.job(id, finished, 15_000)
    expect(job).toMatchObject({ status: 'failed', attempt: 3, max_attempts: 3, error: { code: 'upstream_error' } })
    expect(job).not.toHaveProperty('last_error')
    const [first, second, third, fourth] = receiver.hits.filter(({ path }) => path === '/attempts')
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(800)
    expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThanOrEqual(4000)
    expect(fourth).toBeUndefined()
  })

  test('a job that fails once and then works is completed', async () => {
    const job = await posthorn.job(await call('second'), finished)
    expect(job).toMatchObject({ status: 'completed', attempt: 2, error: null, result: { body: 'at last' } })
    expect(job).not.toHaveProperty('last_error')
  })

  test('a run over its timeout is repeated like any other failure', async () => {
    const json = { type: 'echo', payload: { delay_ms: 60_000 }, timeout_s: 1, max_attempts: 2 }
    const job = await posthorn.job(await posthorn.submit(json), finished)
    expect(job).toMatchObject({ status: 'failed', attempt: 2, error: { code: 'timeout' } })
  })
})
