import { describe, expect, test } from 'vitest'
import { type Job, JobCancelled, JobFailed, PosthornError, WaitTimeout } from '../../src/client/index.ts'
import { type Answer, status } from '../support/receiver.ts'
import { accepted, completed, job, json, lost, problem, rejection, scripted } from './scripted.ts'
import { stoppedClock } from './skipping-clock.ts'

const pending = job({ status: 'pending', progress: 0 })

describe('the result', () => {
  test('is that of the job', async () => {
    await using posthorn = await scripted([completed])
    expect(await posthorn.client.wait('job_1')).toEqual({ ok: true })
    expect(posthorn.hits[0]).toMatchObject({ path: '/v1/jobs/job_1', headers: { authorization: 'Bearer the-key' } })
    expect(posthorn.hits[0]?.headers).not.toHaveProperty('idempotency-key')
  })

  test('may be null', async () => {
    await using posthorn = await scripted([job({ status: 'completed', result: null })])
    expect(await posthorn.client.wait('job_1')).toBeNull()
  })

  test('that is too large for the job is fetched, and the key is shown to no other host for it', async () => {
    const large = job({ status: 'completed', result_url: 'http://127.0.0.1:1/elsewhere' })
    await using posthorn = await scripted([large, json(200, { large: true })])
    expect(await posthorn.client.wait('job_1')).toEqual({ large: true })
    expect(posthorn.hits[1]?.path).toBe('/v1/jobs/job_1/result')
  })

  test('that is not JSON comes as bytes', async () => {
    const bytes: Answer = (_hit, response) => void response.writeHead(200, { 'content-type': 'image/png' }).end('\x89')
    await using posthorn = await scripted([bytes])
    expect(await posthorn.client.result('job_1')).toEqual(new TextEncoder().encode('\x89'))
  })

  test('of a failed job is the problem of that, thrown', async () => {
    const error = { code: 'upstream_error', title: 'No', detail: 'It said 404.', status: 502, data: { status: 404 } }
    await using posthorn = await scripted([job({ status: 'failed', error })])
    const thrown = (await rejection(posthorn.client.wait('job_1'))) as JobFailed
    expect(thrown).toBeInstanceOf(JobFailed)
    expect(thrown).toBeInstanceOf(PosthornError)
    expect(thrown).toMatchObject({ name: 'JobFailed', code: 'upstream_error', detail: 'It said 404.', status: 502 })
    expect(thrown.error).toEqual(error)
    expect(thrown.job.id).toBe('job_1')
  })

  test('of a cancelled job is JobCancelled, thrown', async () => {
    await using posthorn = await scripted([job({ status: 'cancelled' })])
    const thrown = await rejection(posthorn.client.wait('job_1'))
    expect(thrown).toBeInstanceOf(JobCancelled)
    expect(thrown).toMatchObject({ code: 'job_cancelled', job: { id: 'job_1' } })
  })

  test.each([404, 410])('of a job that is answered with %d is that error, at once', async (code) => {
    await using posthorn = await scripted([problem(code, { code: 'expired' })])
    expect(await rejection(posthorn.client.wait('job_1'))).toMatchObject({ status: code })
    expect(posthorn.hits).toHaveLength(1)
  })

  test('that is asked for at once is not asked for again when the job failed with 502', async () => {
    const failed = problem(502, { code: 'job-failed-upstream', error: { code: 'upstream_error' } })
    await using posthorn = await scripted([failed])
    expect(await rejection(posthorn.client.result('job_1'))).toMatchObject({
      status: 502,
      problem: { error: { code: 'upstream_error' } },
    })
    expect(posthorn.hits).toHaveLength(1)
  })
})

describe('the service', () => {
  test('is left to answer when the job ends', async () => {
    const held: Answer = (hit, response, count) => {
      posthorn.clock.advance(25_000)
      job({ status: 'processing' }, { 'retry-after': '1' })(hit, response, count)
    }
    await using posthorn = await scripted([held, held, held, completed])
    await posthorn.client.wait('job_1')
    expect(posthorn.hits.map(({ headers }) => headers.prefer)).toEqual(Array(4).fill('wait=25'))
    expect(posthorn.clock.pauses).toEqual([1000, 1000, 1000])
  })

  test('that does not hold requests is asked less and less often', async () => {
    await using posthorn = await scripted([...Array<Answer>(7).fill(pending), completed])
    await posthorn.client.wait('job_1')
    expect(posthorn.clock.pauses).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000])
  })

  test.each([
    ['seconds', '90', 90_000],
    ['a date', 'Thu, 01 Jan 2026 00:01:30 GMT', 90_000],
    ['hours', '36000', 36_000_000],
  ])('is not asked earlier than its Retry-After in %s allows', async (_what, value, pause) => {
    await using posthorn = await scripted([job({ status: 'pending' }, { 'retry-after': value }), completed])
    await posthorn.client.wait('job_1')
    expect(posthorn.clock.pauses).toEqual([pause])
  })

  test('need not send again what has not changed', async () => {
    const notModified = status(304, { 'retry-after': '3' })
    const first = job({ status: 'pending' }, { etag: '"1"' })
    const second = job({ status: 'processing' }, { etag: '"2"' })
    await using posthorn = await scripted([first, notModified, second, completed])
    const seen: string[] = []
    const result = await posthorn.client.wait('job_1', { onProgress: ({ status }) => seen.push(status) })
    expect(result).toEqual({ ok: true })
    expect(posthorn.hits.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"1"', '"1"', '"2"'])
    expect(posthorn.clock.pauses[1]).toBe(3000)
    expect(seen).toEqual(['pending', 'processing', 'completed'])
  })

  test('may be away for a while', async () => {
    await using posthorn = await scripted([pending, lost, status(503), status(502), completed])
    expect(await posthorn.client.wait('job_1')).toEqual({ ok: true })
  })
})

describe('progress', () => {
  test('is shown as it is seen, by asking instead of leaving it to the service', async () => {
    const at = (progress: number) => job({ status: 'processing', progress }, { 'retry-after': '1' })
    await using posthorn = await scripted([at(10), at(60), completed])
    const seen: number[] = []
    await posthorn.client.wait('job_1', { onProgress: ({ progress }: Job) => seen.push(progress) })
    expect(seen).toEqual([10, 60, 100])
    expect(posthorn.hits.filter(({ headers }) => 'prefer' in headers)).toEqual([])
  })

  test('of a job just submitted is not asked for before the Retry-After of the 202', async () => {
    const slow = json(202, { id: 'job_1' }, { 'retry-after': '12' })
    await using posthorn = await scripted([slow, completed])
    expect(await posthorn.client.run('echo', {}, { onProgress: () => {} })).toEqual({ ok: true })
    expect(posthorn.clock.pauses).toEqual([12_000])
  })

  test('that the caller cannot take ends the waiting', async () => {
    await using posthorn = await scripted([pending, completed])
    const onProgress = () => {
      throw new Error('the screen is gone')
    }
    expect(await rejection(posthorn.client.wait('job_1', { onProgress }))).toEqual(new Error('the screen is gone'))
  })
})

describe('running a job', () => {
  test('is submitting it and waiting, without a pause when the service holds the request', async () => {
    await using posthorn = await scripted([accepted, completed])
    expect(await posthorn.client.run('echo', { a: 1 }, { priority: 1 })).toEqual({ ok: true })
    expect(posthorn.hits.map(({ path }) => path)).toEqual(['/v1/jobs', '/v1/jobs/job_1'])
    expect(JSON.parse(posthorn.hits[0]?.body ?? '')).toEqual({ type: 'echo', payload: { a: 1 }, priority: 1 })
    expect(posthorn.clock.pauses).toEqual([])
  })
})

describe('the time', () => {
  test('that runs out during a pause is WaitTimeout, without asking before Retry-After', async () => {
    const clock = stoppedClock()
    await using posthorn = await scripted([job({ status: 'pending' }, { 'retry-after': '60' })], { clock })
    const thrown = await rejection(posthorn.client.wait('job_1', { timeoutMs: 100 }))
    expect(thrown).toBeInstanceOf(WaitTimeout)
    expect(thrown).toMatchObject({ code: 'wait_timeout', jobId: 'job_1', message: expect.stringContaining('100 ms') })
    expect(posthorn.hits).toHaveLength(1)
  })

  test('that runs out while the service holds the request is WaitTimeout as well', async () => {
    await using posthorn = await scripted([() => {}])
    expect(await rejection(posthorn.client.wait('job_1', { timeoutMs: 50 }))).toBeInstanceOf(WaitTimeout)
  })

  test('that is left bounds how long the service is asked to hold the request', async () => {
    await using posthorn = await scripted([completed])
    await posthorn.client.wait('job_1', { timeoutMs: 7_000 })
    expect(posthorn.hits[0]?.headers.prefer).toBe('wait=7')
  })

  test('may be longer than a timer can be', async () => {
    await using posthorn = await scripted([pending, completed])
    expect(await posthorn.client.wait('job_1', { timeoutMs: 2 ** 40 })).toEqual({ ok: true })
  })
})

describe('an abort', () => {
  test('ends a pause with its reason, and leaves the job alone', async () => {
    const clock = stoppedClock()
    await using posthorn = await scripted([pending], { clock })
    const stop = new AbortController()
    const waited = rejection(posthorn.client.wait('job_1', { signal: stop.signal, timeoutMs: 60_000 }))
    await clock.asleep
    stop.abort(new Error('enough'))
    expect(await waited).toEqual(new Error('enough'))
    expect(posthorn.hits).toHaveLength(1)
  })

  test('ends a request that is held', async () => {
    const stop = new AbortController()
    await using posthorn = await scripted([() => stop.abort(new Error('enough'))])
    expect(await rejection(posthorn.client.wait('job_1', { signal: stop.signal }))).toEqual(new Error('enough'))
  })
})
