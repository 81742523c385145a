import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { problemIn } from '../support/problem.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { finished, type JobBody, startTestService, type TestService } from '../support/service.ts'

const SOURCE = `
import { defineHandler, PermanentError, RetryableError, z } from 'posthorn/handlers'

const any = z.object({})

export const greet = defineHandler({
  type: 'greet',
  input: z.object({ name: z.string().trim().min(1), times: z.int().default(2) }),
  run: ({ input, job, attempt }) => ({ text: input.name.repeat(input.times), job, attempt }),
})

export const report = defineHandler({
  type: 'report',
  input: z.object({ url: z.string() }),
  run: async ({ input, progress, fetch }) => {
    progress(41.6, 'half way')
    await fetch(input.url)
    for (const percent of [-5, 250, Number.NaN]) progress(percent)
    return 'done'
  },
})

export const keep = defineHandler({
  type: 'keep',
  input: z.object({ file_id: z.string() }),
  run: async ({ input, files }) => {
    const file = await files.open(input.file_id)
    const text = await new Response(file.stream).text()
    return { size: file.size, saved: await files.save(text.toUpperCase(), { contentType: 'text/plain' }) }
  },
})

const failing = {
  throws: () => { throw new Error('out of paper') },
  retryable: () => { throw new RetryableError('later', { code: 'busy', title: 'Busy', status: 502, data: { queue: 7 } }) },
  permanent: () => { throw new PermanentError('never', { code: 'bad_input', data: [1] }) },
  text: () => { throw 'just text' },
  nothing: () => undefined,
  bigint: () => ({ n: 10n }),
  circular: () => { const a = {}; a.a = a; return a },
}
export const others = Object.entries(failing).map(([type, run]) => defineHandler({ type, input: any, maxAttempts: 1, run }))
`

let module: HandlerModule
let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  module = await handlerModule(SOURCE)
  posthorn = await startTestService({ POSTHORN_HANDLERS: module.path })
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
  await module[Symbol.asyncDispose]()
})

async function run(type: string, payload: object = {}, more: object = {}): Promise<JobBody> {
  return posthorn.job(await posthorn.submit({ type, payload, ...more }), finished)
}

describe("an operator's own handler", () => {
  test('gets the payload as its schema makes it, and what it may know of the job', async () => {
    const job = await run('greet', { name: ' Zoë ' }, { metadata: { order: '42' } })
    expect(job).toMatchObject({ status: 'completed', max_attempts: 3 })
    expect(job.result).toEqual({
      text: 'ZoëZoë',
      attempt: 1,
      job: {
        id: job.id,
        type: 'greet',
        createdAt: job.created_at,
        metadata: { order: '42' },
        url: `${posthorn.url}/v1/jobs/${job.id}`,
        token: expect.stringMatching(/^pht_[\w-]{43}$/),
      },
    })
  })

  test('has its payload checked at submission', async () => {
    const json = { type: 'greet', payload: { name: '  ', times: 'x' } }
    const { details } = await problemIn(await posthorn.api('/v1/jobs', { json }), 400, 'invalid-request')
    expect(details.map(({ field }) => field).sort()).toEqual(['/payload/name', '/payload/times'])
  })

  test('is among those that an unknown type is told of, and stands beside the built-in ones', async () => {
    const json = { type: 'nope', payload: {} }
    const { details } = await problemIn(await posthorn.api('/v1/jobs', { json }), 422, 'unknown-job-type')
    expect(details[0]?.issue).toMatch(/echo.*greet/)
    expect(await run('echo')).toMatchObject({ status: 'completed' })
  })

  test('reports progress, which the job shows while it runs', async () => {
    const held = Promise.withResolvers<() => void>()
    receiver.answer = (_hit, response) => held.resolve(() => response.end())
    const id = await posthorn.submit({ type: 'report', payload: { url: receiver.url } })
    const release = await held.promise
    const running = await posthorn.job(id, ({ progress }) => progress !== 0)
    expect(running).toMatchObject({ status: 'processing', progress: 42, message: 'half way' })
    release()
    expect(await posthorn.job(id, finished)).toMatchObject({ progress: 100, message: 'half way', result: 'done' })
  })

  test('reads and saves files of its tenant', async () => {
    const upload = await posthorn.api('/v1/files', { method: 'POST', body: 'post horn' })
    const { id } = (await upload.json()) as { id: string }
    const job = await run('keep', { file_id: id })
    expect(job).toMatchObject({
      status: 'completed',
      result: { size: 9, saved: { contentType: 'text/plain', size: 9 } },
    })
    const { saved } = job.result as { saved: { id: string; url: string } }
    expect(saved.url).toBe(`${posthorn.url}/v1/files/${saved.id}`)
    expect(await (await posthorn.api(new URL(saved.url).pathname)).text()).toBe('POST HORN')
    // What a job made is erased with it, what was uploaded is not.
    expect((await posthorn.api(`/v1/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
    await problemIn(await posthorn.api(`/v1/files/${saved.id}`), 404, 'not-found')
    expect((await posthorn.api(`/v1/files/${id}`)).status).toBe(200)
  })

  test('fails for good when a file is not there', async () => {
    const job = await run('keep', { file_id: 'file_01a1ffc0c0da7000b3a576e7e9b76ae0' })
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'file_not_found' } })
  })
})

describe('a failure is the error of its job:', () => {
  test.each<[string, object]>([
    ['throws', { code: 'handler_failed', title: 'The handler failed', detail: 'out of paper', status: 422 }],
    ['retryable', { code: 'busy', title: 'Busy', detail: 'later', status: 502, data: { queue: 7 } }],
    ['permanent', { code: 'bad_input', title: 'The handler failed', detail: 'never', status: 422, data: [1] }],
    ['text', { code: 'handler_failed', title: 'The handler failed', detail: 'just text', status: 422 }],
  ])('%s', async (type, error) => {
    const job = await run(type)
    expect(job).toMatchObject({ status: 'failed', attempt: 1 })
    // And nothing else: no stack, no path of the host.
    expect(job.error).toEqual(error)
  })

  test.each(['bigint', 'circular'])('a result that is not JSON: %s', async (type) => {
    expect(await run(type)).toMatchObject({ status: 'failed', error: { code: 'result_not_stored', status: 422 } })
  })

  test('nothing returned is no failure', async () => {
    expect(await run('nothing')).toMatchObject({ status: 'completed', result: null })
  })

  test.each<[string, number]>([
    ['retryable', 2],
    ['throws', 2],
    ['permanent', 1],
  ])('%s is run up to max_attempts, if that can help', async (type, attempts) => {
    expect(await run(type, {}, { max_attempts: 2 })).toMatchObject({ status: 'failed', attempt: attempts })
  })
})
