import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { type Hit, startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { api, publish, type Registered, register } from './client.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const engines = [
  { engine: 'postgres', processes: 2 },
  { engine: 'sqlite', processes: 1 },
] as const
const ENDPOINTS = form(150, 10_000)
const AT_ONCE = 8

/** What a receiver knows of its endpoint: the secret it began with, and since when there is a new one. */
interface Known extends Registered {
  rotated: { secret: string; at: number } | null
}

/** Runs the work for each number below `count`, a few at once. */
async function forEach(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

async function registerAll(cluster: Cluster, url: string): Promise<Known[]> {
  const known: Known[] = []
  await forEach(ENDPOINTS, async (n) => {
    const endpoint = await register(cluster.any().url, { url: `${url}/${n}`, event_types: [`to.${n}`] })
    known[n] = { ...endpoint, rotated: null }
  })
  return known
}

const verifies = (hit: Hit, secret: string): boolean => {
  try {
    new Webhook(secret).verify(hit.body, hit.headers as Record<string, string>)
    return true
  } catch {
    return false
  }
}

test.each(engines)(
  `rotating the secrets of ${ENDPOINTS} endpoints under load on $engine: every delivery verifies`,
  {
    timeout: TIMEOUT_MS,
  },
  async ({ engine, processes }) => {
    await using receiver = await startReceiver()
    await using cluster = await startCluster({ engine })
    await Promise.all(Array.from({ length: processes }, () => cluster.start()))
    const known = await registerAll(cluster, receiver.url)
    const wrong: string[] = []
    let withNew = 0
    receiver.answer = (hit, response) => {
      const { secret, rotated } = known[Number(hit.path.slice(1))] as Known
      // Who has not heard of the new secret yet, within the overlap.
      if (!verifies(hit, secret)) wrong.push(`${hit.path}: old secret`)
      // Who knows only the new one, of what was signed since; the timestamp is in whole seconds.
      if (rotated !== null && Number(hit.headers['webhook-timestamp']) * 1000 > rotated.at) {
        withNew += 1
        if (!verifies(hit, rotated.secret)) wrong.push(`${hit.path}: new secret`)
      }
      response.end()
    }
    let published = 0
    let isRotating = true
    const publishing = Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (isRotating) {
          const n = Math.floor(Math.random() * ENDPOINTS)
          await publish(cluster.any().url, { type: `to.${n}`, data: published++ })
        }
      }),
    )
    const beganAt = performance.now()
    await forEach(ENDPOINTS, async (n) => {
      const endpoint = known[n] as Known
      const answer = await api(cluster.any().url, `/v1/endpoints/${endpoint.id}/rotate-secret`, {})
      endpoint.rotated = { ...((await answer.json()) as { secret: string }), at: Date.now() }
    })
    const tookMs = performance.now() - beganAt
    isRotating = false
    await publishing
    // Each endpoint once more, with what it has now.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await forEach(ENDPOINTS, (n) => publish(cluster.any().url, { type: `to.${n}`, data: published++ }))
    await until('all have arrived', () => receiver.hits.length >= published, TIMEOUT_MS)
    tell(`rotation, ${engine}`, { endpoints: ENDPOINTS, tookMs: Math.round(tookMs), published, withNew })
    expect(wrong).toEqual([])
    expect(withNew).toBeGreaterThanOrEqual(ENDPOINTS)
  },
)
