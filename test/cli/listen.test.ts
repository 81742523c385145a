import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Hit, type Receiver, startReceiver, status, verified } from '../support/receiver.ts'
import { API_KEY, SIGNING_SECRET, startTestService, type TestService } from '../support/service.ts'
import { runCommand } from './command.ts'
import { killAll, reaching, start } from './with-service.ts'

// Each command is a process of its own, and there may be several in a test.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService()
})
afterAll(() => posthorn[Symbol.asyncDispose]())
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(async () => {
  killAll()
  await receiver[Symbol.asyncDispose]()
})

/** Publishes and returns the id. `data` is sent as it is written. */
async function publish(type: string, data: string): Promise<string> {
  const body = `{"type":"${type}","data":${data}}`
  const headers = { 'content-type': 'application/json' }
  return ((await (await posthorn.api('/v1/events', { method: 'POST', body, headers })).json()) as { id: string }).id
}

function listen(...args: string[]) {
  return start(['listen', '--forward', `${receiver.url}/hooks`, ...args], reaching(posthorn.url))
}

const idsOf = (hits: readonly Hit[]) => hits.map(({ headers }) => headers['webhook-id'])
/** Of the line at the end that says where to go on. */
const cursorIn = (stderr: string) => /--since (\S+)\n$/.exec(stderr)?.[1] ?? ''

test('past events and those that come arrive in order, as a delivery would bring them', async () => {
  await using delivered = await startReceiver()
  const endpoint = { url: `${delivered.url}/hooks`, event_types: ['order.*'] }
  const made = await posthorn.api('/v1/endpoints', { json: endpoint })
  const { secret } = (await made.json()) as { secret: string }
  const odd = '{"2":12345678901234567890,"1":1.50,"a":1,"a":2,"s":"\\u00e9 é \\u2028 \\ud800","f": [1 ,\t2e400]}'
  const ids = [await publish('order.odd', odd), await publish('order.paid', '"}],{"')]
  const listening = listen('--types', 'order.*', '--secret', secret)
  await receiver.waitFor(2)
  ids.push(await publish('order.shipped', 'null'))
  const hits = await receiver.waitFor(3)
  await delivered.waitFor(3)
  expect(idsOf(hits)).toEqual(ids)
  for (const hit of hits) {
    const twin = delivered.hits.find(({ headers }) => headers['webhook-id'] === hit.headers['webhook-id'])
    expect(hit.body).toBe(twin?.body)
    expect(hit.path).toBe('/hooks')
    expect(verified(hit, secret).type).toMatch(/^order\./)
    const own = Object.keys(twin?.headers ?? {}).filter((name) => !/^(accept|accept-encoding|connection)$/.test(name))
    expect(Object.keys(hit.headers)).toEqual(expect.arrayContaining(own))
    expect(hit.headers).toMatchObject({ 'webhook-attempt': '1', 'user-agent': twin?.headers['user-agent'] })
  }
  expect(hits[0]?.body).toContain(`"data":${odd}}`)
  const { code, stdout, stderr } = await listening.interrupt()
  expect(code).toBe(0)
  expect(stdout).toMatch(/^(\S+Z {2}200 {2}\d+ ms {2}order\.\w+ {2}evt_\w+\n){3}$/)
  expect(stderr).toContain('3 events forwarded.')
})

test('a receiver that is not there gets them when it is: none is lost, and their order is kept', async () => {
  const { port } = receiver
  const since = cursorIn((await fromNow()).stderr)
  const ids = [await publish('order.a', '1'), await publish('order.b', '2'), await publish('order.c', '3')]
  await receiver[Symbol.asyncDispose]()
  const listening = listen('--since', since)
  await expect.poll(() => listening.out.stdout.match(/no answer/g)?.length ?? 0).toBeGreaterThan(1)
  expect(listening.out.stdout).toMatch(
    /no answer {2}\d+ ms {2}order\.a {2}evt_\w+ {2}.*ECONNREFUSED.* again in 0\.\d s\n/,
  )
  receiver = await startReceiver(port)
  const hits = await receiver.waitFor(3)
  expect(idsOf(hits)).toEqual(ids)
  expect(Number(hits[0]?.headers['webhook-attempt'])).toBeGreaterThan(2)
  expect(hits[1]?.headers['webhook-attempt']).toBe('1')
  expect(await listening.interrupt('SIGTERM')).toMatchObject({ code: 0 })
})

/** What a session says that begins and ends now: its cursor is behind all there is. */
async function fromNow() {
  const listening = listen('--since', 'latest')
  await expect.poll(() => listening.out.stderr).toContain('Ctrl-C ends')
  return listening.interrupt()
}

test('one that answers with an error gets it again, and then the next one; with --json each try is a line', async () => {
  const since = cursorIn((await fromNow()).stderr)
  const ids = [await publish('order.a', '1'), await publish('order.b', '2')]
  receiver.answer = (hit, response, count) =>
    status(count === 0 ? 503 : hit.body.includes('order.b') ? 400 : 204)(hit, response, count)
  const listening = listen('--since', since, '--json', '--max-attempts', '2')
  const hits = await receiver.waitFor(4)
  expect(idsOf(hits)).toEqual([ids[0], ids[0], ids[1], ids[1]])
  expect(hits.map(({ headers }) => headers['webhook-attempt'])).toEqual(['1', '2', '1', '2'])
  expect(hits[1]?.body).toBe(hits[0]?.body)
  await expect.poll(() => listening.out.stdout.trim().split('\n').length).toBe(4)
  const { code, stdout, stderr } = await listening.interrupt()
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(code).toBe(0)
  expect(lines).toMatchObject([
    {
      event_id: ids[0],
      type: 'order.a',
      attempt: 1,
      status: 503,
      delivered: false,
      next_attempt_in_ms: expect.any(Number),
    },
    {
      event_id: ids[0],
      attempt: 2,
      status: 204,
      delivered: true,
      next_attempt_in_ms: null,
      cursor: expect.any(String),
    },
    { event_id: ids[1], attempt: 1, status: 400, delivered: false },
    { event_id: ids[1], attempt: 2, status: 400, delivered: false, next_attempt_in_ms: null, cursor: cursorIn(stderr) },
  ])
  expect(lines[0]).not.toHaveProperty('cursor')
})

test('a Ctrl-C that arrives twice, as npx hands it on, is one', async () => {
  const listening = listen('--since', 'latest')
  await expect.poll(() => listening.out.stderr).toContain('Ctrl-C ends')
  listening.interrupt('SIGTERM')
  expect(await listening.interrupt('SIGINT')).toMatchObject({ code: 0 })
})

test('without a secret one is made for the session, and shown', async () => {
  const env = { ...reaching(posthorn.url), POSTHORN_SIGNING_SECRET: undefined }
  const listening = start(['listen', '--forward', receiver.url], env)
  const [hit] = await receiver.waitFor(1)
  const secret = /signing secret of this session is (whsec_\S+)/.exec(listening.out.stderr)?.[1] ?? ''
  expect(secret).not.toBe(SIGNING_SECRET)
  expect(verified(hit as Hit, secret).type).toBe('order.odd')
  expect(await listening.interrupt()).toMatchObject({ code: 0 })
})

test('a service that goes away is waited for, and nothing that comes meanwhile is missed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-listen-'))
  let service = await startTestService({}, folder)
  const { port } = service.service
  const listening = start(['listen', '--forward', receiver.url], reaching(service.url))
  await service.api('/v1/events', { json: { type: 'order.a', data: 1 } })
  await receiver.waitFor(1)
  await service[Symbol.asyncDispose]()
  await expect.poll(() => listening.out.stderr).toContain('The service is away')
  service = await startTestService({ POSTHORN_PORT: String(port) }, folder)
  await service.api('/v1/events', { json: { type: 'order.b', data: 2 } })
  const hits = await receiver.waitFor(2)
  expect(hits.map((hit) => verified(hit, SIGNING_SECRET).type)).toEqual(['order.a', 'order.b'])
  expect(listening.out.stderr).toContain('The service is back.')
  expect(await listening.interrupt()).toMatchObject({ code: 0 })
  await service[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test.concurrent.each([
  ['no receiver', 64, ['listen'], {}],
  ['a receiver that is no URL', 64, ['listen', '--forward', 'ftp://x'], {}],
  ['a secret that is none', 64, ['listen', '--forward', '3000', '--secret', 'abc'], {}],
  ['no attempt at all', 64, ['listen', '--forward', '3000', '--max-attempts', '0'], {}],
  ['a cursor that is none', 65, ['listen', '--forward', '3000', '--since', 'yesterday'], {}],
  ['types that are none', 65, ['listen', '--forward', '3000', '--types', 'order.*.x'], {}],
  ['a wrong key', 77, ['listen', '--forward', '3000'], { POSTHORN_API_KEY: API_KEY.toUpperCase() }],
] as const)('listen with %s ends with %i', async (_, code, args, changes) => {
  const exit = await runCommand(args, { ...reaching(posthorn.url), ...changes })
  expect(exit).toMatchObject({ code, stdout: '' })
})
