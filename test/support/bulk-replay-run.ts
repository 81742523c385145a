import { rm } from 'node:fs/promises'
import { expect } from 'vitest'
import { openBackend } from '../../src/backend.ts'
import { systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import { businessEvents } from '../../src/events.ts'
import { createLog } from '../../src/log.ts'
import type { DeadLetter, DeliveryView, Store } from '../../src/store/store.ts'
import { addDeadLetters, addEndpoint } from './dead-letters.ts'
import { databaseOf } from './engine.ts'
import { startProcess } from './process.ts'
import { type Hit, startReceiver } from './receiver.ts'
import { ADMIN_KEY, API_KEY } from './service.ts'
import { folderWithOtherTenant } from './tenants.ts'

const ENDPOINTS = 20
const PAGE = 200

export interface BulkReplayRun {
  /** Letters a second from its creation to the last, without the gap. After that it may make up for one second. */
  meanPerS: number
  /** The highest mean since its creation, at any moment from its first second on; gap included. */
  highestPerS: number
  /** Requests beyond one for each letter: attempts that were under way when the process was killed. */
  duplicates: number
  /** How long nothing was replayed because of the kill. */
  gapMs: number
}

/**
 * Replays so many dead letters at a rate, by a real process that is killed in the middle, and started again.
 * Fails the test when one is lost, or sent twice without a crash to blame for it.
 */
export async function replayWithKill(letters: number, ratePerS: number): Promise<BulkReplayRun> {
  const folder = await folderWithOtherTenant()
  const { env } = await databaseOf(folder)
  await using receiver = await startReceiver()
  await withStore(env, (store) => fill(store, receiver.url, letters / ENDPOINTS))
  const run = {
    ...env,
    POSTHORN_PORT: '0',
    POSTHORN_FILES: `file:${folder}/files`,
    POSTHORN_API_KEY: API_KEY,
    POSTHORN_ADMIN_KEY: ADMIN_KEY,
    POSTHORN_EGRESS_ALLOW: '127.0.0.1/32',
    POSTHORN_LOG: 'info',
  }
  let service = await startProcess(run)
  try {
    const filter = { reason: 'expired' }
    const { id, total } = await call(service.url, '/v1/admin/replays', { filter, rate_per_s: ratePerS })
    expect(total).toBe(letters)
    const until = (holds: (replay: ReplayState) => boolean) =>
      waitFor(() => call(service.url, `/v1/admin/replays/${id}`), holds, letters, ratePerS)
    await until(({ done }) => done >= letters / 2)
    await service.end('SIGKILL')
    service = await startProcess(run)
    expect(await until(({ status }) => status === 'done')).toMatchObject({ done: letters, failed: 0, remaining: 0 })
    await waitFor(
      async () => new Set(receiver.hits.map(nameOf)).size,
      (seen) => seen === letters,
      letters,
      ratePerS,
    )
    await waitFor(() => withStatus(service.url, 'delivering'), isEmpty, letters, ratePerS) // a killed claim lasts its lease
    await waitFor(() => withStatus(service.url, 'pending'), isEmpty, letters, ratePerS)
    expect(await service.end('SIGTERM')).toBe(0)
    return await withStore(env, (store) => judge(store, receiver.hits, letters))
  } finally {
    await service.end()
    await rm(folder, { recursive: true, force: true })
  }
}

interface ReplayState {
  id: string
  status: string
  total: number
  done: number
}

async function withStore<T>(env: Record<string, string | undefined>, work: (store: Store) => Promise<T>): Promise<T> {
  const { config } = readConfig(env)
  const clock = systemClock()
  await using stack = new AsyncDisposableStack()
  const events = businessEvents(createLog('silent', false))
  const { store } = await openBackend({ config, events, clock, types: [] }, stack)
  return await work(store)
}

async function fill(store: Store, url: string, events: number): Promise<void> {
  const clock = systemClock()
  const tenant = await store.tenants.findTenantByName('other')
  const tenantId = tenant?.id ?? ''
  for (let n = 0; n < ENDPOINTS; n++) await addEndpoint(store, clock, tenantId, `${url}/${n}`)
  await addDeadLetters(store, clock, tenantId, events)
}

async function withStatus(base: string, status: string): Promise<unknown[]> {
  const { data } = await call<{ data: unknown[] }>(base, `/v1/admin/deliveries?status=${status}`)
  return data
}

const isEmpty = (list: unknown[]): boolean => list.length === 0

async function call<Answer = ReplayState>(base: string, path: string, json?: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
  const init = json === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(json) }
  return (await (await fetch(base + path, init)).json()) as Answer
}

async function waitFor<T>(look: () => Promise<T>, holds: (seen: T) => boolean, letters: number, ratePerS: number) {
  const give = Date.now() + 30_000 + (2000 * letters) / ratePerS
  for (;;) {
    const seen = await look()
    if (holds(seen)) return seen
    if (Date.now() > give) throw new Error(`it is still ${JSON.stringify(seen)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Which delivery a request is of: an event on its way to an endpoint. */
const nameOf = (hit: Hit): string => `${hit.path} ${hit.headers['webhook-id']}`

async function judge(store: Store, hits: readonly Hit[], letters: number): Promise<BulkReplayRun> {
  const deliveries = await allOf((page) => store.deliveries.list(null, {}, page))
  expect(deliveries).toHaveLength(letters)
  const requests = Map.groupBy(hits, nameOf)
  let duplicates = 0
  for (const delivery of deliveries) {
    const { status, replays } = delivery
    expect({ status, replays }).toEqual({ status: 'delivered', replays: 1 })
    const again = (requests.get(sentAs(delivery))?.length ?? 0) - 1
    expect(again).toBeGreaterThanOrEqual(0)
    duplicates += again
    if (again > 0) expect(await lostAttempts(store, delivery)).toBeGreaterThanOrEqual(again)
  }
  const found = await allOf<DeadLetter>((page) => store.deliveries.deadLetters({}, page))
  expect(found).toHaveLength(letters)
  const [replay] = await store.replays.list(undefined, { limit: 1, before: null })
  const times = found.map(({ replayedAt }) => replayedAt ?? Number.NaN)
  return { ...rateOf(times, replay?.createdAt ?? Number.NaN), duplicates }
}

const sentAs = ({ url, eventId }: DeliveryView): string => `${new URL(url).pathname} ${eventId}`

async function lostAttempts(store: Store, { id }: DeliveryView): Promise<number> {
  return (await store.deliveries.attempts(id)).filter(({ outcome }) => outcome === 'lost').length
}

async function allOf<Row extends { id: string }>(
  list: (page: { limit: number; before: string | null }) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const page = await list({ limit: PAGE, before: rows.at(-1)?.id ?? null })
    rows.push(...page)
    if (page.length < PAGE) return rows
  }
}

function rateOf(times: readonly number[], begun: number): Omit<BulkReplayRun, 'duplicates'> {
  const sorted = times.toSorted((a, b) => a - b)
  const gapMs = Math.max(...sorted.slice(1).map((time, i) => time - (sorted[i] ?? 0)))
  const means = sorted.flatMap((time, i) => (time < begun + 1000 ? [] : [((i + 1) * 1000) / (time - begun)]))
  const tookMs = (sorted.at(-1) ?? begun) - begun
  return { meanPerS: (times.length * 1000) / (tookMs - gapMs), highestPerS: Math.max(...means), gapMs }
}
