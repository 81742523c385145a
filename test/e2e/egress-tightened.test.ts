import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startCanary } from '../abuse/canary.ts'
import { deliveryOf } from '../support/deliveries.ts'
import { startReceiver } from '../support/receiver.ts'
import { finished, startTestService } from '../support/service.ts'

const HOSTS = [
  ...['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.0.0.1.', '127。0。0。1', '127.0.0.2'],
  ...['localhost', 'a.localhost.', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
]

test('what was taken while it was allowed is not called when it no longer is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-tightened-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const receiver = stack.use(await startReceiver())
  const canary = stack.use(await startCanary([0], '::'))
  const urls = HOSTS.map((host) => `http://${host}:${canary.ports[0]}/hook`)
  const wide = { POSTHORN_EGRESS_ALLOW: '127.0.0.0/8,[::1]/128', POSTHORN_ROLES: 'api' }

  const before = await startTestService(wide, folder)
  const submit = (url: string) => before.submit({ type: 'echo', payload: {}, callback_url: url })
  const callbacks = await Promise.all([...urls, `${receiver.url}/hook`].map(submit))
  const calls = await Promise.all(
    urls.map((url) => before.submit({ type: 'http.request', payload: { url }, max_attempts: 1 })),
  )
  const endpoints = await Promise.all(
    urls.map(async (url) => {
      const made = await before.api('/v1/endpoints', { json: { url, event_types: ['a.b'] } })
      return ((await made.json()) as { id: string }).id
    }),
  )
  await before.service.stop()

  await using after = await startTestService({ POSTHORN_EGRESS_ALLOW: `127.0.0.1/32:${receiver.port}` }, folder)
  const deliveries = await Promise.all(callbacks.map((id) => deliveryOf(after, id)))
  const outcomes = deliveries.map(({ status, last_error: error }) => `${status} ${error?.class}`)
  expect(outcomes).toEqual([...urls.map(() => 'dead blocked_address'), 'delivered undefined'])
  const jobs = await Promise.all(calls.map((id) => after.job(id, finished)))
  expect(new Set(jobs.map(({ error }) => (error as { code: string }).code))).toEqual(new Set(['upstream_unreachable']))
  for (const id of endpoints) {
    const tried = await (await after.api(`/v1/endpoints/${id}/test`, { method: 'POST' })).json()
    expect(tried).toMatchObject({ attempt: { status: null, error: { class: 'blocked_address' } } })
  }
  expect([canary.hits, receiver.hits.length]).toEqual([[], 1])
})
