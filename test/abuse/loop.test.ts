import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { API_KEY, startTestService, type TestService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** What a tenant can write down whose service’s own public address may be called (ABUSE 47). */
async function callsItself(posthorn: TestService, eventTypes: string[]): Promise<void> {
  const headers = { authorization: `Bearer ${API_KEY}` }
  const endpoint = { url: `${posthorn.url}/v1/events`, headers, event_types: eventTypes }
  expect((await posthorn.api('/v1/endpoints', { json: endpoint })).status).toBe(201)
}

interface Listed {
  data: { status: string; last_status: number | null; attempt_count: number }[]
}

const deliveries = async (posthorn: TestService): Promise<Listed['data']> =>
  ((await (await posthorn.api('/v1/deliveries?limit=200')).json()) as Listed).data

test('an event that is delivered to the service itself goes round three times and is refused then, for good', async () => {
  await using posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '10ms,10ms,10ms' })
  await callsItself(posthorn, ['round.*'])
  expect((await posthorn.api('/v1/events', { json: { type: 'round.trip', data: 1 } })).status).toBe(202)
  await until('one was refused', async () => (await deliveries(posthorn)).some(({ status }) => status === 'dead'))
  // Time for more, if there were any.
  await delay(300)
  const all = await deliveries(posthorn)
  const [refused, ...arrived] = all.toSorted((a, b) => (b.last_status ?? 0) - (a.last_status ?? 0))
  expect(refused).toMatchObject({ status: 'dead', last_status: 508, attempt_count: 1 })
  expect(arrived.map(({ last_status: status }) => status)).toEqual(new Array(3).fill(202))
})

test('two endpoints that double what comes round are stopped as well', async () => {
  await using posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '10ms' })
  await callsItself(posthorn, ['round.*'])
  await callsItself(posthorn, ['round.*'])
  await posthorn.api('/v1/events', { json: { type: 'round.trip', data: 1 } })
  await until('nothing is on its way', async () => {
    const pending = await posthorn.api('/v1/deliveries?status=pending&limit=1')
    const delivering = await posthorn.api('/v1/deliveries?status=delivering&limit=1')
    const left = [pending, delivering].map(async (response) => ((await response.json()) as Listed).data.length)
    return (await Promise.all(left)).every((length) => length === 0)
  })
  // 2 + 4 + 8 arrive, and 16 are refused.
  expect(await deliveries(posthorn)).toHaveLength(30)
})

test.each(['/v1/jobs', '/v1/jobs/batch', '/v1/events'])('a submission to %s says how far it has come', async (path) => {
  await using posthorn = await startTestService()
  const job = { type: 'echo', payload: {} }
  const json = { '/v1/jobs': job, '/v1/jobs/batch': { jobs: [job] }, '/v1/events': { type: 'a.b', data: 1 } }[path]
  const status = async (hops: string) =>
    (await posthorn.api(path, { json, headers: { 'webhook-hops': hops, prefer: 'respond-async' } })).status
  expect(await status('3')).toBeLessThan(300)
  expect(await status('4')).toBe(508)
  expect(await status('999999999999')).toBe(508)
  // What is no number was not sent by us.
  expect(await status('-1')).toBeLessThan(300)
})
