import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HttpCall } from '../../src/handlers/http-request.ts'
import { readJob, submit } from '../chaos/client.ts'
import { type HandlerModule, handlerModule } from '../support/handler-module.ts'
import { finished, type JobBody } from '../support/service.ts'
import { until } from '../support/until.ts'
import { namespaces, OWN_ADDRESS, RECEIVER, startWorld, type World } from './namespace.ts'
import { FORBIDDEN_NAMES, FORBIDDEN_URLS } from './urls.ts'

/** What an operator's own handler may do: fetch what a client has named, in its own thread or beside all others. */
const HANDLERS = `import { defineHandler, z } from 'posthorn/handlers'
const run = async ({ input, fetch }) => {
  const told = {}
  for (const url of input.urls) {
    try { told[url] = String((await fetch(url, { timeoutMs: 3000 })).status) }
    catch (error) { told[url] = error.name + ' ' + (error.options?.code ?? error.message) }
  }
  return told
}
const input = z.object({ urls: z.array(z.string()) })
export const beside = defineHandler({ type: 'fetch.beside', input, run })
export const isolated = defineHandler({ type: 'fetch.isolated', input, isolated: true, run })
`
/** http.aggregate takes no more. */
const CALLS = 50

describe.skipIf(!namespaces)('what a job’s payload names is not called:', () => {
  let world: World
  let handlers: HandlerModule
  let urls: string[]
  beforeAll(async () => {
    handlers = await handlerModule(HANDLERS)
    world = await startWorld({ POSTHORN_HANDLERS: handlers.path }, FORBIDDEN_NAMES)
    const names = Object.keys(FORBIDDEN_NAMES).map((name) => `http://${name}/hook`)
    urls = [...FORBIDDEN_URLS, ...names, `http://${OWN_ADDRESS}/hook`, `${world.place}/v1/jobs`]
  }, 60_000)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await handlers[Symbol.asyncDispose]()
  })

  async function end(ids: readonly string[]): Promise<JobBody[]> {
    await until('all jobs have ended', () => {
      const left = world.rows("SELECT 1 FROM jobs WHERE status NOT IN ('completed', 'failed')")
      return left.length === 0
    })
    return Promise.all(ids.map((id) => readJob(world.url, id)))
  }

  /** As the table of jobs is where a worker reads it. */
  async function forced(type: string, harmless: object, payloads: readonly object[]): Promise<JobBody[]> {
    const job = { type, payload: harmless, run_at: '2099-01-01T00:00:00Z' }
    const ids: string[] = []
    for (const _ of payloads) ids.push(await submit(world.url, job))
    const now = Date.now()
    world.force(
      'UPDATE jobs SET payload = ?, run_at = ?, due_at = ? WHERE id = ?',
      payloads.map((payload, n) => [JSON.stringify(payload), now, now, ids[n]]),
    )
    return end(ids)
  }

  test('by http.request', { timeout: 60_000 }, async () => {
    const jobs = await forced(
      'http.request',
      { url: RECEIVER },
      urls.map((url) => ({ url })),
    )
    const told = jobs.map(({ status, attempt, error }) => [status, attempt, (error as { code: string }).code].join())
    // Some are no URLs to the handler at all.
    expect([...new Set(told)].sort()).toEqual(['failed,1,invalid_payload', 'failed,1,upstream_unreachable'])
    expect(await world.forbiddenHits()).toEqual([])
  })

  test('by http.aggregate', { timeout: 60_000 }, async () => {
    const harmless = { calls: { a: { url: RECEIVER } } }
    // One that is no URL to the handler would fail the job before any call.
    const parsed = urls.filter((url) => HttpCall.safeParse({ url }).success)
    const payloads = Array.from({ length: Math.ceil(parsed.length / CALLS) }, (_, n) => ({
      calls: Object.fromEntries(
        parsed.slice(n * CALLS, (n + 1) * CALLS).map((url, m) => [`c${m}`, { url, optional: true }]),
      ),
    }))
    const jobs = await forced('http.aggregate', harmless, payloads)
    const results = jobs.flatMap(({ result }) => Object.values(result as Record<string, object>))
    expect(results.filter((result) => !('error' in result))).toEqual([])
    expect(results).toHaveLength(parsed.length)
    expect(await world.forbiddenHits()).toEqual([])
  })

  test.each(['fetch.beside', 'fetch.isolated'])('by the fetch of a handler: %s', { timeout: 60_000 }, async (type) => {
    const id = await submit(world.url, { type, payload: { urls: [...urls, `${RECEIVER}/hook`] } })
    await until('it has ended', async () => finished(await readJob(world.url, id)))
    const { [`${RECEIVER}/hook`]: control, ...told } = (await readJob(world.url, id)).result as Record<string, string>
    expect(control).toBe('200')
    expect(Object.keys(told)).toHaveLength(new Set(urls).size)
    expect(Object.entries(told).filter(([, outcome]) => outcome !== 'PermanentError upstream_unreachable')).toEqual([])
    expect(await world.forbiddenHits()).toEqual([])
  })
})
