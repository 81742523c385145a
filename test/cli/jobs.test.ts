import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { progressLine } from '../../src/cli/progress.ts'
import { type Answer, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, finished, startTestService, type TestService } from '../support/service.ts'
import { runCommand, startCommand } from './command.ts'
import { json, killAll, reaching, start } from './with-service.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let posthorn: TestService
let env: ReturnType<typeof reaching>
beforeAll(async () => {
  posthorn = await startTestService()
  env = reaching(posthorn.url)
})
afterAll(async () => {
  killAll()
  await posthorn[Symbol.asyncDispose]()
})

const posthornWith = (...args: string[]) => runCommand(args, env)

/** A service that says what the test wants. */
async function saying(answer: Answer) {
  const fake = await startReceiver()
  fake.answer = answer
  return fake
}

describe('jobs submit', () => {
  test('prints the id; with --wait the result; with --json the job', async () => {
    const { code, stdout } = await posthornWith('jobs', 'submit', 'echo', '{"a":1}', '--metadata', 'order=42')
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^job_\w+\n$/) })
    const waited = await posthornWith('jobs', 'wait', stdout.trim())
    expect(waited).toEqual({ code: 0, stdout: '{"a":1}\n', stderr: '' })
    const job = await json(['jobs', 'submit', 'echo', '{"b":2}', '--wait', '--priority', '1'], env)
    expect(job).toMatchObject({ status: 'completed', result: { b: 2 }, priority: 1 })
    expect(await json(['jobs', 'show', stdout.trim()], env)).toMatchObject({ metadata: { order: '42' } })
  })

  test('takes the payload from a file and from standard input', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-payload-'))
    await writeFile(join(folder, 'payload.json'), '{"from":"file"}\n')
    const fromFile = await posthornWith('jobs', 'submit', 'echo', `@${folder}/payload.json`, '--wait')
    expect(fromFile).toMatchObject({ code: 0, stdout: '{"from":"file"}\n' })
    const fromInput = await runCommand(['jobs', 'submit', 'echo', '-', '--wait'], env, '{"from":"input"}')
    expect(fromInput).toMatchObject({ code: 0, stdout: '{"from":"input"}\n' })
    await rm(folder, { recursive: true })
  })

  test('sends the payload as it is written, and all that is said of the job', async () => {
    const fake = await saying((_hit, response) => response.writeHead(202).end('{"id":"job_1"}'))
    const payload = '{"2":12345678901234567890,"1":1.50,"a":1,"a":2}'
    const options =
      '--callback-url https://example.com/h --callback-events job.failed,job.completed --run-at 2027-01-01'
    const more = '--deadline 2h --run-timeout 90s --max-attempts 2 --result-ttl 1d --idempotency-key k-1'
    const args = ['jobs', 'submit', 'x', payload, ...options.split(' '), ...more.split(' ')]
    expect(await runCommand(args, reaching(fake.url))).toMatchObject({ code: 0, stdout: 'job_1\n' })
    const [hit] = fake.hits
    expect(hit?.headers).toMatchObject({ 'idempotency-key': 'k-1', prefer: 'respond-async' })
    expect(hit?.body).toContain(`"payload":${payload}`)
    expect(JSON.parse(hit?.body ?? '')).toMatchObject({
      type: 'x',
      callback_url: 'https://example.com/h',
      callback_events: ['job.failed', 'job.completed'],
      run_at: '2027-01-01T00:00:00.000Z',
      deadline_s: 7200,
      timeout_s: 90,
      max_attempts: 2,
      result_ttl_s: 86_400,
    })
    await fake[Symbol.asyncDispose]()
  })

  test('a job that fails is told on standard error, with exit code 2', async () => {
    const args = ['jobs', 'submit', 'http.request', '{"url":"http://127.0.0.1:1/"}', '--wait', '--max-attempts', '1']
    const { code, stdout, stderr } = await posthornWith(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/job_\w+ has failed: .*\n {2}\w+/)
    const asJson = await posthornWith(...args, '--json')
    expect(asJson.code).toBe(2)
    expect(JSON.parse(asJson.stdout)).toMatchObject({ status: 'failed', error: { status: 502 } })
  })

  test('a job that is cancelled while it is waited for ends the waiting with 3', async () => {
    const waiting = start(['jobs', 'submit', 'echo', '{"delay_ms":60000}', '--wait'], env)
    await expect.poll(() => waiting.out.stderr).toContain('is accepted')
    const id = /job_\w+/.exec(waiting.out.stderr)?.[0] ?? ''
    expect(await posthornWith('jobs', 'cancel', id)).toMatchObject({ code: 0, stdout: `${id} is cancelled.\n` })
    expect(await waiting.end).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('is cancelled') })
    expect(await posthornWith('jobs', 'cancel', id, '--json')).toMatchObject({ code: 65 })
  })

  test('waiting ends with --timeout and with Ctrl-C, the job does not', async () => {
    const late = await posthornWith('jobs', 'submit', 'echo', '{"delay_ms":60000}', '--wait', '--timeout', '200ms')
    const id = /job_\w+/.exec(late.stderr)?.[0] ?? ''
    expect(late).toMatchObject({ code: 75, stdout: '', stderr: expect.stringContaining(`posthorn jobs wait ${id}`) })
    const asJson = await posthornWith('jobs', 'wait', id, '--timeout', '1ms', '--json')
    expect(asJson).toMatchObject({ code: 75, stderr: '' })
    expect(JSON.parse(asJson.stdout)).toMatchObject({ id, status: 'processing' })
    expect(await posthorn.job(id)).toMatchObject({ status: 'processing' })
    await posthorn.api(`/v1/jobs/${id}/cancel`, { method: 'POST' })
    const fake = await saying(({ path }, response) => {
      if (!path.endsWith('/events')) response.end('{}')
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n')
    })
    const waiting = start(['jobs', 'wait', 'job_1', '--json'], reaching(fake.url))
    await fake.waitFor(1, ({ path }) => path.endsWith('/events'))
    expect(await waiting.interrupt()).toMatchObject({ code: 130, stdout: '' })
    // Nothing is cancelled by it.
    expect(fake.hits.map(({ path }) => path)).toEqual(['/v1/jobs/job_1', '/v1/jobs/job_1/events'])
    await fake[Symbol.asyncDispose]()
  })
})

test('--wait goes on when the service is restarted meanwhile', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-jobs-'))
  let service = await startTestService({}, folder)
  const { port } = service.service
  const waiting = start(['jobs', 'submit', 'echo', '{"delay_ms":500,"a":1}', '--wait'], reaching(service.url))
  await expect.poll(() => waiting.out.stderr).toContain('is accepted')
  await service[Symbol.asyncDispose]()
  service = await startTestService({ POSTHORN_PORT: String(port) }, folder)
  expect(await waiting.end).toMatchObject({ code: 0, stdout: '{"delay_ms":500,"a":1}\n' })
  await service[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test('a result that is not JSON comes byte for byte, and numbers as the service wrote them', async () => {
  const bytes = Buffer.from([0, 0x1b, 0x5b, 0x41, 255])
  const fake = await saying(({ path }, response) => {
    if (path.endsWith('/events')) response.writeHead(204).end()
    else if (path.endsWith('/result')) response.writeHead(200, { 'content-type': 'application/pdf' }).end(bytes)
    else response.end('{"id":"job_1","status":"completed","result":12345678901234567890}')
  })
  const { stdout } = startCommand(['jobs', 'wait', 'job_1'], reaching(fake.url))
  expect(await buffer(stdout as Readable)).toEqual(bytes)
  const shown = await runCommand(['jobs', 'wait', 'job_1', '--json'], reaching(fake.url))
  expect(shown.stdout).toContain('"result":12345678901234567890')
  await fake[Symbol.asyncDispose]()
})

test('jobs ls and show print for people, and for programs', async () => {
  const id = await posthorn.submit({ type: 'echo', payload: { n: 7 } })
  await posthorn.job(id, finished)
  const listed = await posthornWith('jobs', 'ls', '--type', 'echo', '--status', 'completed', '--limit', '1')
  expect(listed.stdout).toMatch(
    new RegExp(`^ID .*\n${id} +echo +completed +100 % .*\nThere may be more: --cursor \\S+\n$`),
  )
  const cursor = /--cursor (\S+)/.exec(listed.stdout)?.[1] ?? ''
  const next = await json<{ data: { id: string }[] }>(['jobs', 'ls', '--cursor', cursor, '--after', '1h'], env)
  expect(next.data.map((job) => job.id)).not.toContain(id)
  expect((await posthornWith('jobs', 'show', id)).stdout).toMatch(/status +completed\n(.*\n)*result +\{"n":7\}\n/)
  expect(await posthornWith('jobs', 'ls', '--type', 'none')).toMatchObject({ code: 0, stdout: 'None.\n' })
})

test.concurrent.each([
  ['a wrong key', 77, ['jobs', 'ls'], { POSTHORN_API_KEY: 'x'.repeat(40) }],
  ['a key of the other role', 77, ['jobs', 'ls'], { POSTHORN_API_KEY: ADMIN_KEY }],
  ['no key', 78, ['jobs', 'ls'], { POSTHORN_API_KEY: undefined }],
  ['a mistaken variable', 78, ['jobs', 'ls'], { POSTHORN_URL: 'ftp://x' }],
  ['a port that nobody knows', 78, ['jobs', 'ls'], { POSTHORN_URL: undefined, POSTHORN_PORT: '0' }],
  ['a service that is away', 69, ['jobs', 'ls', '--url', 'http://127.0.0.1:1'], {}],
  ['an unknown id', 66, ['jobs', 'show', 'job_01a201b0f4f77000b1c764796d4360a5'], {}],
  ['what is no id', 64, ['jobs', 'show', '../keys'], {}],
  ['an unknown job type', 65, ['jobs', 'submit', 'nope', '{}'], {}],
  ['a payload that is no JSON', 64, ['jobs', 'submit', 'echo', '{"a":'], {}],
  ['a payload that is not there', 66, ['jobs', 'submit', 'echo', '@/nowhere.json'], {}],
  ['a status that there is none of', 65, ['jobs', 'ls', '--status', 'lost'], {}],
  ['a time that is none', 64, ['jobs', 'ls', '--after', 'yesterday'], {}],
  ['an unknown option', 64, ['jobs', 'ls', '--fast'], {}],
  ['too much', 64, ['jobs', 'ls', 'all'], {}],
  ['--timeout without --wait', 64, ['jobs', 'submit', 'echo', '--timeout', '1s'], {}],
] as const)('%s ends with %i, and with --json a problem document says so', async (_, code, args, changes) => {
  const exit = await runCommand([...args, '--json'], { ...env, ...changes })
  expect(exit).toMatchObject({ code, stdout: '' })
  expect(JSON.parse(exit.stderr)).toMatchObject({
    title: expect.any(String),
    detail: expect.any(String),
    exit_code: code,
  })
})

test('what is no Posthorn is told as such', async () => {
  const fake = await saying((_hit, response) => response.end('<html>'))
  const { code, stderr } = await runCommand(['jobs', 'ls'], reaching(fake.url))
  expect({ code, stderr }).toEqual({ code: 69, stderr: expect.stringContaining('Is this Posthorn?') })
  await fake[Symbol.asyncDispose]()
})

test('each command has its own help, and each noun', async () => {
  for (const args of [['jobs', 'submit'], ['listen'], ['dead-letters', 'replay'], ['doctor'], ['backup']]) {
    const { code, stdout } = await posthornWith(...args, '--help')
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(`Usage: posthorn ${args.join(' ')}`) })
  }
  expect(await posthornWith('jobs')).toMatchObject({ code: 64, stderr: expect.stringContaining('jobs submit TYPE') })
})

test('the bar shows how far it is and what is said of it, in one line', () => {
  expect(progressLine(50, 'half\n\u001b[2Jdone', 80)).toBe(`[${'#'.repeat(12)}${'.'.repeat(12)}]  50 % half done`)
  expect(progressLine(100, 'x'.repeat(200), 60)).toHaveLength(59)
  expect(progressLine(0, null, 80)).toBe(`[${'.'.repeat(24)}]   0 %`)
})
