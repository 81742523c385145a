import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { API_KEY, finished, startTestService, type TestService } from '../support/service.ts'

// What a review found by breaking things on purpose.
const SOURCE = `
import { defineHandler, PermanentError, z } from 'posthorn/handlers'
const any = z.record(z.string(), z.unknown())
const circle: Record<string, unknown> = {}
circle.self = circle
const one = (type: string, run: () => unknown, isolated = false) =>
  defineHandler({ type, input: any, maxAttempts: 1, isolated, run })
export const handlers = [
  one('throws-nothing-nameable', () => { throw Object.create(null) }),
  one('throws-odd-options', () => { throw Object.assign(new Error('odd'), { options: undefined }) }),
  one('throws-circular-data', () => { throw new PermanentError('round', { data: circle }) }),
  one('throws-odd-status', () => { throw new PermanentError('odd', { status: 404 as 422 }) }),
  one('throws-big-data', () => { throw new PermanentError('big', { data: 'x'.repeat(1_000_000) }) }),
  one('suspends-oddly', () => ({ then: (resolve: (value: unknown) => void) => resolve(10n) })),
  one('leaves-a-rejection', () => { setTimeout(() => void Promise.reject(new Error('late')), 50); return 'done' }, true),
  one('innocent', () => 'done', true),
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

const run = async (type: string) => posthorn.job(await posthorn.submit({ type }), finished)

describe('whatever a handler throws, its job ends', () => {
  test.each([
    'throws-nothing-nameable',
    'throws-odd-options',
    'throws-circular-data',
    'throws-odd-status',
    'suspends-oddly',
  ])('%s', async (type) => {
    const { id } = await run(type)
    expect(await posthorn.job(id)).toMatchObject({ status: 'failed', error: { status: 422 } })
    expect((await posthorn.api(`/v1/jobs/${id}/result`)).status).toBe(422)
  })

  test('what it adds to its failure is bounded', async () => {
    expect(JSON.stringify(await run('throws-big-data')).length).toBeLessThan(10_000)
  })
})

test('what an isolated run leaves behind does not hit the next one', async () => {
  for (let i = 0; i < 3; i++) {
    expect(await run('leaves-a-rejection')).toMatchObject({ status: 'completed' })
    expect(await run('innocent')).toMatchObject({ status: 'completed', result: 'done' })
  }
})

test('an upgrade that is not ours is overlooked, and the request answered', async () => {
  const socket = connect(Number(new URL(posthorn.url).port), '127.0.0.1')
  await once(socket, 'connect')
  const lines = ['GET /healthz HTTP/1.1', 'Host: x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', '', '']
  socket.write(lines.join('\r\n'))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200/)
  socket.destroy()
})

test('who is held when the service stops is answered, and a stream ends', async () => {
  await using own = await startTestService()
  const id = await own.submit({ type: 'echo', payload: {}, run_at: new Date(Date.now() + 60_000).toISOString() })
  const authorization = `Bearer ${API_KEY}`
  const held = fetch(`${own.url}/v1/jobs/${id}`, { headers: { authorization, prefer: 'wait=20' } })
  // When this one has been answered, and a moment has passed, the one before it is held.
  const stream = await fetch(`${own.url}/v1/jobs/${id}/events`, { headers: { authorization } })
  await delay(300)
  await own.service.stop()
  expect((await held).status).toBe(200)
  expect(await stream.text()).toBe(': still here\n\n')
})
