import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { publish, register } from './client.ts'
import { startCluster } from './cluster.ts'
import { form, TIMEOUT_MS, tell } from './form.ts'

const ENDPOINTS = 100
/** How many of them hang, and how much later than undisturbed the others' p90 may be: their p99 is that of the disk. */
const PHASES = [
  { hanging: 0, factor: 1 },
  { hanging: 1, factor: form(Number.POSITIVE_INFINITY, 1.2) },
  { hanging: ENDPOINTS / 2, factor: form(Number.POSITIVE_INFINITY, 2) },
]
/** What a factor does not tell. */
const NOISE_MS = 20
const EVENTS = form(10, 60)
const PAUSE_MS = 300
/** Who waits behind one that hangs waits for this long. */
const ATTEMPT_TIMEOUT_MS = 5000
/** Of the others. The short form runs beside other tests: it tells who waited behind another, not how fast they are. */
const AT_MOST_MS = form(ATTEMPT_TIMEOUT_MS / 2, 1000)

// Side by side: most of it is waiting.
test.concurrent.each(['postgres', 'sqlite'] as const)(
  `of ${ENDPOINTS} endpoints on %s one hangs, then half of them: the others do not notice`,
  { timeout: TIMEOUT_MS },
  async (engine) => {
    await using receiver = await startReceiver()
    let hanging = 0
    const sentAt = new Map<number, number>()
    const latenciesMs: number[] = []
    receiver.answer = ({ path, body, at }, response) => {
      receiver.hits.length = 0
      const endpoint = Number(path.slice(1))
      // Even ones hang, one by one; the odd ones are those that are looked at.
      if (endpoint % 2 === 0 && endpoint / 2 < hanging) return
      if (endpoint % 2 === 1) latenciesMs.push(at - (sentAt.get((JSON.parse(body) as { data: number }).data) ?? 0))
      response.end()
    }
    await using cluster = await startCluster({ engine, env: { POSTHORN_ATTEMPT_TIMEOUT: `${ATTEMPT_TIMEOUT_MS}ms` } })
    const { url } = await cluster.start()
    for (let n = 0; n < ENDPOINTS; n++) {
      await register(url, { url: `${receiver.url}/${n}`, event_types: ['tick'] })
    }
    let events = 0
    const phaseOf = async (): Promise<{ p90: number; p99: number }> => {
      latenciesMs.length = 0
      for (let n = 0; n < EVENTS; n++) {
        sentAt.set(events, Date.now())
        await publish(url, { type: 'tick', data: events++ })
        await delay(PAUSE_MS)
      }
      await until('the others have all', () => latenciesMs.length >= (EVENTS * ENDPOINTS) / 2)
      const sorted = latenciesMs.toSorted((a, b) => a - b)
      const at = (share: number) => sorted[Math.floor(sorted.length * share)] as number
      return { p90: at(0.9), p99: at(0.99) }
    }
    // The first deliveries open the connections and lanes.
    await phaseOf()
    const measured: { p90: number; p99: number }[] = []
    for (const phase of PHASES) {
      hanging = phase.hanging
      measured.push(await phaseOf())
    }
    tell(`hanging endpoints, ${engine}`, { measured })
    const undisturbed = Number(measured[0]?.p90)
    for (const [n, { factor }] of PHASES.entries()) {
      expect(measured[n]?.p90).toBeLessThanOrEqual(factor * undisturbed + NOISE_MS)
      expect(measured[n]?.p99).toBeLessThanOrEqual(AT_MOST_MS)
    }
  },
)
