import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { finished, type JobBody } from '../support/service.ts'
import { until } from '../support/until.ts'
import { api, readJob, submit } from './client.ts'
import { type Cluster, type Member, startCluster } from './cluster.ts'
import { TIMEOUT_MS, tell } from './form.ts'
import { type HoldingReceiver, startHoldingReceiver } from './holding-receiver.ts'

/** What happens in one process is known in the others within this time. */
const TOLD_MS = 1000

const MODULE = `import { defineHandler, z } from 'posthorn/handlers'
export const halfway = defineHandler({
  type: 'chaos.halfway',
  input: z.object({ url: z.string() }),
  run: async ({ input, progress, fetch }) => {
    progress(50, 'half of it')
    return (await fetch(input.url)).status
  },
})
export const suspended = defineHandler({
  type: 'chaos.suspended',
  input: z.object({}),
  run: ({ job, progress }) => {
    progress(1, job.token)
    return job.suspend()
  },
})
`

let module: HandlerModule
let receiver: HoldingReceiver
let cluster: Cluster
let url: string
let able: Member
let workers: Member[]
let dispatchers: Member[]

beforeAll(async () => {
  module = await handlerModule(MODULE)
  receiver = await startHoldingReceiver()
  cluster = await startCluster()
  const handlers = { POSTHORN_HANDLERS: module.path }
  const entrance = await cluster.start({ POSTHORN_ROLES: 'api', ...handlers })
  const only = (role: string, more = {}) =>
    cluster.start({ POSTHORN_ROLES: role, POSTHORN_PUBLIC_URL: entrance.url, ...more })
  url = entrance.url
  const [first, second, ...rest] = await Promise.all([
    only('worker', handlers),
    only('worker'),
    only('dispatcher'),
    only('dispatcher'),
  ])
  able = first
  workers = [first, second]
  dispatchers = rest
}, TIMEOUT_MS)
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await module[Symbol.asyncDispose]()
})

/** Others use the machine, too: one of several may be late for their sake. */
const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] as number

/** Those that have told of this event of a job. */
const tellers = (members: Iterable<Member>, event: string, id: string): Member[] =>
  [...members].filter(({ lines }) => lines.some((line) => line.event === event && line.job_id === id))

test('a synchronous request is answered when a run in another process ends', async () => {
  const late: number[] = []
  for (let n = 0; n < 5; n++) {
    const job = (await (await api(url, '/v1/jobs', { type: 'echo', payload: { n, delay_ms: 200 } })).json()) as JobBody
    late.push(Date.now() - Date.parse(String(job.finished_at)))
    expect(job).toMatchObject({ status: 'completed', result: { n } })
  }
  tell('synchronous answers after the end of the job', { ms: late })
  expect(median(late)).toBeLessThan(TOLD_MS)
})

test('the callback of a job is sent by a dispatcher, after a worker has run it', async () => {
  const id = await submit(url, { type: 'echo', payload: {}, callback_url: `${receiver.url}/callback/roles` })
  await until('it is called back', () => receiver.arrivals.has('/callback/roles'))
  await until('it is told of', () => tellers(cluster.members, 'delivery.attempt', id).length > 0)
  expect(workers).toContain(tellers(cluster.members, 'job.run', id)[0])
  expect(dispatchers).toContain(tellers(cluster.members, 'delivery.attempt', id)[0])
})

test('server-sent events tell of a run in another process while it goes on', async () => {
  receiver.hold('/events')
  const id = await submit(url, { type: 'chaos.halfway', payload: { url: `${receiver.url}/events` } })
  const stream = (await api(url, `/v1/jobs/${id}/events`)).body as ReadableStream<Uint8Array>
  let seen = ''
  const ended = (async () => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) seen += chunk
  })()
  await until('its progress is told', () => /event: job.started[\s\S]*event: job.progress[\s\S]*half of it/.test(seen))
  expect(seen).not.toContain('job.completed')
  receiver.answer('/events', 200)
  await ended
  expect(seen).toContain('event: job.completed')
})

test('a cancelled job is ended in the process that runs it', async () => {
  const after: number[] = []
  for (const path of ['/cancel/1', '/cancel/2', '/cancel/3']) {
    receiver.hold(path)
    const id = await submit(url, { type: 'http.request', payload: { url: receiver.url + path } })
    await until('it runs', () => receiver.arrivals.has(path))
    const beganAt = performance.now()
    await api(url, `/v1/jobs/${id}/cancel`, {})
    await until('its call is dropped', () => receiver.dropped(path))
    after.push(Math.round(performance.now() - beganAt))
  }
  tell('the run of a cancelled job ends after', { ms: after })
  expect(median(after)).toBeLessThan(TOLD_MS)
})

test('a type is run by the one process that knows it', async () => {
  const payload = { url: `${receiver.url}/any` }
  const ids = await Promise.all(Array.from({ length: 30 }, () => submit(url, { type: 'chaos.halfway', payload })))
  for (const id of ids) await until('it is done', async () => finished(await readJob(url, id)))
  for (const id of ids) {
    expect(await readJob(url, id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(tellers(cluster.members, 'job.run', id)).toEqual([able])
  }
})

test('a suspended job is completed through a process that did not run it', async () => {
  const id = await submit(url, { type: 'chaos.suspended', payload: {} })
  await until('it hands over its token', async () => (await readJob(url, id)).message !== null)
  await until('it is at rest', () => tellers([able], 'job.run', id).length > 0)
  const { message } = await readJob(url, id)
  await api(url, `/v1/jobs/${id}/complete`, { approved: true }, { authorization: `Bearer ${message}` })
  expect(await readJob(url, id)).toMatchObject({ status: 'completed', result: { approved: true } })
})
