import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { startTestService, type TestService } from '../support/service.ts'

let posthorn: TestService
let receiver: Receiver
beforeAll(async () => {
  posthorn = await startTestService({ POSTHORN_RETRY_SCHEDULE: '10ms' })
  receiver = await startReceiver()
  receiver.answer = ({ path }, response) => response.writeHead(path === '/fails' ? 500 : 200).end()
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await posthorn[Symbol.asyncDispose]()
})

/** Samples by name and labels. */
async function scrape(): Promise<Map<string, number>> {
  const response = await posthorn.api('/metrics', { key: null })
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const samples = new Map<string, number>()
  for (const line of (await response.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    // The text format: name, labels, a number.
    const [, name, value] = /^([a-zA-Z_:][\w:]*(?:\{(?:\w+="[^"\\]*",?)*\})?) (\S+)$/.exec(line) ?? []
    expect([line, typeof name, Number.isNaN(Number(value))]).toEqual([line, 'string', false])
    samples.set(String(name), Number(value))
  }
  return samples
}

const settled = (status: string) => (job: object) =>
  (job as { callback: { status: string } | null }).callback?.status === status

test('work is counted, with how long it took', async () => {
  const before = await scrape()
  await posthorn.job(await posthorn.submit({ type: 'echo', callback_url: `${receiver.url}/ok` }), settled('delivered'))
  await posthorn.job(await posthorn.submit({ type: 'echo', callback_url: `${receiver.url}/fails` }), settled('dead'))
  const after = await scrape()
  const grown = (name: string) => (after.get(`posthorn_${name}`) ?? 0) - (before.get(`posthorn_${name}`) ?? 0)
  expect(grown('jobs_accepted_total{type="echo"}')).toBe(2)
  expect(grown('job_runs_total{type="echo",outcome="completed"}')).toBe(2)
  expect(grown('job_run_duration_seconds_count{type="echo"}')).toBe(2)
  expect(grown('delivery_attempts_total{outcome="delivered",error="none"}')).toBe(1)
  expect(grown('delivery_attempts_total{outcome="retry",error="http_status"}')).toBe(1)
  expect(grown('dead_letters_total{reason="exhausted"}')).toBe(1)
  expect(grown('delivery_latency_seconds_count')).toBe(1)
  expect(grown('http_request_duration_seconds_count{method="POST",route="/v1/jobs",status="202"}')).toBe(2)
})

test('what is given up without an attempt is counted too', async () => {
  const json = { url: `${receiver.url}/held`, event_types: ['doomed'], enabled: false }
  const { id } = (await (await posthorn.api('/v1/endpoints', { json })).json()) as { id: string }
  await posthorn.api('/v1/events', { json: { type: 'doomed', data: 1 } })
  await posthorn.api(`/v1/endpoints/${id}`, { method: 'DELETE' })
  await expect.poll(async () => (await scrape()).get('posthorn_dead_letters_total{reason="endpoint_deleted"}')).toBe(1)
})

test('what waits is told, and goes again', async () => {
  const json = { url: `${receiver.url}/held`, event_types: ['held'], enabled: false }
  const { id } = (await (await posthorn.api('/v1/endpoints', { json })).json()) as { id: string }
  await posthorn.api('/v1/events', { json: { type: 'held', data: 1 } })
  const held = async () => (await scrape()).get('posthorn_endpoints_held')
  await expect.poll(held).toBe(1)
  await posthorn.api(`/v1/endpoints/${id}`, { json: { enabled: true }, method: 'PATCH' })
  await expect.poll(held).toBe(0)
})

test('nothing that strangers choose, and no id, is a label', async () => {
  await posthorn.api('/v1/jobs/job_secret-looking', {})
  await posthorn.api('/made-up-by-somebody', { key: null })
  await posthorn.api('/v1/jobs', { json: { type: 'made.up.type' } })
  const text = await (await posthorn.api('/metrics', { key: null })).text()
  expect(text).not.toMatch(/(?:job|dlv|ep|evt|ten|key)_[0-9a-f]{8}|secret-looking|made-up|made\.up|127\.0\.0\.1/)
})

test.each(['monitoring/alerts.yml', 'monitoring/grafana.json', 'runbook.md'])(
  'docs/%s asks for nothing that is not there',
  async (file) => {
    const text = await readFile(new URL(`../../docs/${file}`, import.meta.url), 'utf8')
    const exposed = await (await posthorn.api('/metrics', { key: null })).text()
    const known = new Set([...exposed.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
    const asked = [...text.matchAll(/posthorn_\w+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ''))
    expect(asked.length).toBeGreaterThan(8)
    expect(asked.filter((name) => !known.has(name))).toEqual([])
  },
)
